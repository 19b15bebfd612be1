package config

import (
	"encoding"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// parse sets v, of a type that [scalar] knows, from text. Its error says what is
// wrong and what would be right.
func parse(v reflect.Value, text string) error {
	switch p := v.Addr().Interface().(type) {
	case *time.Duration:
		d, err := parseDuration(text)
		*p = d
		return err
	case **time.Location:
		zone, err := parseZone(text)
		*p = zone
		return err
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		return parse(v.Elem(), text)
	}
	if u, ok := reflect.TypeAssert[encoding.TextUnmarshaler](v.Addr()); ok {
		return u.UnmarshalText([]byte(text))
	}
	return parseBasic(v, text)
}

func parseBasic(v reflect.Value, text string) error {
	switch {
	case v.Kind() == reflect.String:
		v.SetString(text)
	case v.Kind() == reflect.Bool:
		b := strings.ToLower(text)
		if b != "true" && b != "false" {
			return fmt.Errorf("must be true or false, not %s", quote(text))
		}
		v.SetBool(b == "true")
	case v.CanInt():
		n, err := strconv.ParseInt(text, 10, v.Type().Bits())
		if err != nil {
			return badNumber(text, "a whole number", err)
		}
		v.SetInt(n)
	case v.CanUint():
		n, err := strconv.ParseUint(text, 10, v.Type().Bits())
		if err != nil {
			return badNumber(text, "a whole number from 0", err)
		}
		v.SetUint(n)
	case v.CanFloat():
		x, err := strconv.ParseFloat(text, v.Type().Bits())
		if err != nil || math.IsNaN(x) || math.IsInf(x, 0) {
			return badNumber(text, "a number", err)
		}
		v.SetFloat(x)
	default:
		panic("config: no way to read a " + v.Type().String())
	}
	return nil
}

func badNumber(text, want string, err error) error {
	if errors.Is(err, strconv.ErrRange) {
		return fmt.Errorf("%s is out of range", quote(text))
	}
	return fmt.Errorf("must be %s, not %s", want, quote(text))
}

// unit reads the unit of a duration. Weeks and days are 7 x 24 and 24 hours: a
// duration knows no calendar (turns of a rotation do).
func unit(word string) (time.Duration, bool) {
	switch word {
	case "ns":
		return time.Nanosecond, true
	case "us", "µs", "μs":
		return time.Microsecond, true
	case "ms":
		return time.Millisecond, true
	case "s", "sec", "second", "seconds":
		return time.Second, true
	case "m", "min", "minute", "minutes":
		return time.Minute, true
	case "h", "hour", "hours":
		return time.Hour, true
	case "d", "day", "days":
		return 24 * time.Hour, true
	case "w", "week", "weeks":
		return 7 * 24 * time.Hour, true
	}
	return 0, false
}

// parseDuration reads "30s", "1h30m", "2 days", "1 week", "1.5h"; 0 needs no unit.
func parseDuration(text string) (time.Duration, error) {
	bad := fmt.Errorf("%s is not a duration (write it like 30s, 5m, 1h30m, 2 days or 1 week)", quote(text))
	rest := strings.TrimSpace(text)
	if rest == "0" {
		return 0, nil
	}
	if _, err := strconv.ParseFloat(rest, 64); err == nil {
		return 0, fmt.Errorf("%s has no unit (write %ss or %sm)", quote(text), rest, rest)
	}
	var sum float64
	for first := true; first || rest != ""; first = false {
		digits := strings.IndexFunc(rest, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
		if digits <= 0 {
			return 0, bad
		}
		n, err := strconv.ParseFloat(rest[:digits], 64)
		if err != nil {
			return 0, bad
		}
		rest = strings.TrimLeft(rest[digits:], " ")
		letters := strings.IndexFunc(rest, func(r rune) bool { return !unicode.IsLetter(r) })
		if letters < 0 {
			letters = len(rest)
		}
		u, ok := unit(rest[:letters])
		if !ok {
			return 0, bad
		}
		sum += n * float64(u)
		rest = strings.TrimLeft(rest[letters:], " ")
	}
	if sum > math.MaxInt64/2 {
		return 0, fmt.Errorf("%s is too long", quote(text))
	}
	return time.Duration(math.Round(sum)), nil
}

// parseZone reads the name of an IANA zone. Abbreviations are refused: EST is a
// fixed offset that nobody means.
func parseZone(text string) (*time.Location, error) {
	if text == "UTC" {
		return time.UTC, nil
	}
	if strings.Contains(text, "/") {
		if zone, err := time.LoadLocation(text); err == nil {
			return zone, nil
		}
	}
	known := strings.Fields(zones)
	hint := "write an IANA name like Europe/Berlin, or UTC"
	if best := nearest(text, known); best != "" {
		hint = fmt.Sprintf("did you mean %q?", best)
	} else if best := city(text, known); best != "" {
		hint = fmt.Sprintf("did you mean %q?", best)
	}
	return nil, fmt.Errorf("%s is not a time zone (%s)", quote(text), hint)
}

// city finds the zone whose last part is nearest to text.
func city(text string, known []string) string {
	text = text[strings.LastIndex(text, "/")+1:]
	for _, zone := range known {
		if last := zone[strings.LastIndex(zone, "/")+1:]; nearest(strings.ReplaceAll(text, " ", "_"), []string{last}) != "" {
			return zone
		}
	}
	return ""
}

// zones are those that a misspelled zone is compared with. Every zone of the
// IANA database is accepted; these are only the ones people live in most.
const zones = `UTC
Africa/Cairo Africa/Casablanca Africa/Johannesburg Africa/Lagos Africa/Nairobi
America/Anchorage America/Argentina/Buenos_Aires America/Bogota America/Caracas America/Chicago
America/Denver America/Halifax America/Lima America/Los_Angeles America/Mexico_City America/New_York
America/Phoenix America/Puerto_Rico America/Santiago America/Sao_Paulo America/St_Johns America/Toronto
America/Vancouver
Asia/Baghdad Asia/Bangkok Asia/Colombo Asia/Dhaka Asia/Dubai Asia/Ho_Chi_Minh Asia/Hong_Kong Asia/Jakarta
Asia/Jerusalem Asia/Karachi Asia/Kathmandu Asia/Kolkata Asia/Kuala_Lumpur Asia/Manila Asia/Qatar
Asia/Riyadh Asia/Seoul Asia/Shanghai Asia/Singapore Asia/Taipei Asia/Tashkent Asia/Tehran Asia/Tokyo
Atlantic/Azores Atlantic/Canary Atlantic/Reykjavik
Australia/Adelaide Australia/Brisbane Australia/Hobart Australia/Melbourne Australia/Perth Australia/Sydney
Europe/Amsterdam Europe/Athens Europe/Belgrade Europe/Berlin Europe/Brussels Europe/Bucharest Europe/Budapest
Europe/Copenhagen Europe/Dublin Europe/Helsinki Europe/Istanbul Europe/Kyiv Europe/Lisbon Europe/London
Europe/Madrid Europe/Moscow Europe/Oslo Europe/Paris Europe/Prague Europe/Rome Europe/Sofia Europe/Stockholm
Europe/Vienna Europe/Warsaw Europe/Zurich
Pacific/Auckland Pacific/Fiji Pacific/Guam Pacific/Honolulu`
