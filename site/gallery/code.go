package gallery

import (
	"crypto/rand"
	"strings"
)

const (
	crockford  = "0123456789ABCDEFGHJKMNPQRSTVWXYZ" // no I, L, O, U: https://www.crockford.com/base32.html
	codeLength = 8                                  // 40 bits
	// MaxCode is the longest code, in characters: an operator may choose its words.
	MaxCode = 64
)

// NewCode returns a new random code in normal form; show it with [FormatCode].
func NewCode() string {
	raw := make([]byte, codeLength)
	_, _ = rand.Read(raw) // never fails: it ends the program instead
	for i, b := range raw {
		raw[i] = crockford[b&31]
	}
	return string(raw)
}

// FormatCode groups a code for reading: ABCD-EFGH. Codes of another length stay
// as they are.
func FormatCode(code string) string {
	if len(code) != codeLength {
		return code
	}
	return code[:4] + "-" + code[4:]
}

// NormaliseCode returns the form in which codes are kept and compared: upper case,
// no spaces or dashes, O read as 0, I and L as 1. It returns "" for what can be
// no code.
func NormaliseCode(in string) string {
	if len(in) > 4*MaxCode {
		return ""
	}
	var out strings.Builder
	for _, c := range strings.ToUpper(in) {
		switch {
		case c == ' ' || c == '-' || c == '\t':
		case c == 'O':
			out.WriteByte('0')
		case c == 'I' || c == 'L':
			out.WriteByte('1')
		case (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z'):
			out.WriteRune(c)
		default:
			return ""
		}
	}
	if out.Len() > MaxCode {
		return ""
	}
	return out.String()
}
