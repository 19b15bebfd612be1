package probe

import (
	"bytes"
	"html"
	"net/http"
	"strings"
)

// challengeWindow is how much of a page is searched for signs of a challenge.
const challengeWindow = 64 << 10

// titlePrefixes begin the titles and first headings of pages that say "success"
// and are not the site: challenges, error pages of proxies, pages of a web
// server that has lost its site. Only the beginning counts: an article "About
// 502 Bad Gateway" is an article.
func titlePrefixes() []string {
	return []string{
		// Challenges and interstitials.
		"just a moment", "attention required!", "checking your browser", "ddos-guard", "ddos protection by",
		"access denied", "access to this page has been denied", "pardon our interruption", "robot check",
		"verify you are human", "verifying you are human", "are you a robot", "please verify you are",
		"human verification", "captcha", "you are being redirected", "request rejected",
		// Error pages that are served with the wrong status.
		"400 bad request", "401 unauthorized", "401 authorization required", "403 forbidden", "404 not found",
		"405 not allowed", "429 too many requests", "500 internal server error", "502 bad gateway", "503 service",
		"504 gateway time", "bad gateway", "gateway timeout", "gateway time-out", "internal server error",
		"service unavailable", "service temporarily unavailable", "error 500", "error 502", "error 503", "error 504",
		"http error 5", "server error", "an error occurred", "application error", "404 page not found",
		"error establishing a database connection", "database error",
		"site under maintenance", "under maintenance", "down for maintenance", "scheduled maintenance",
		// A web server without its site.
		"welcome to nginx", "welcome to openresty", "apache2 ubuntu default page", "apache2 debian default page",
		"apache2 default page", "it works!", "test page for the", "http server test page", "iis windows", "welcome to caddy",
		"default web site page", "domain parked", "this domain is for sale", "account suspended",
	}
}

// bodyMarks stand in the source of challenge pages only. The plain
// "challenge-platform" path is not among them: it is put into healthy pages too.
func bodyMarks() []string {
	return []string{
		"_cf_chl_opt", "cf-browser-verification", "cf-error-details", "captcha-delivery.com/captcha", "px-captcha",
		"request unsuccessful. incapsula incident id", "sucuri_cloudproxy_js", "awswafcaptcha", "window.gokuprops",
		"our systems have detected unusual traffic", "captcha challenge", "complete the captcha", "solve the captcha",
		"enable javascript and cookies to continue",
	}
}

// disguise names the sign by which a successful answer gives itself away as a
// challenge or an error page; "" when it is nothing of the kind.
func disguise(header http.Header, body []byte) string {
	if strings.EqualFold(header.Get("Cf-Mitigated"), "challenge") {
		return "header cf-mitigated: challenge"
	}
	if action := header.Get("X-Amzn-Waf-Action"); action != "" {
		return "header x-amzn-waf-action: " + action
	}
	if !looksLikeHTML(header.Get("Content-Type"), body) {
		return ""
	}
	page := bytes.ToLower(body[:min(len(body), challengeWindow)])
	for _, tag := range []string{"title", "h1"} {
		text := tagText(page, tag)
		for _, prefix := range titlePrefixes() {
			if strings.HasPrefix(text, prefix) {
				return tag + " " + quoted(text)
			}
		}
	}
	for _, mark := range bodyMarks() {
		if bytes.Contains(page, []byte(mark)) {
			return quoted(mark) + " in the page"
		}
	}
	return ""
}

// looksLikeHTML reports whether an answer is a page for people.
func looksLikeHTML(contentType string, body []byte) bool {
	if contentType != "" {
		kind, _, _ := strings.Cut(strings.ToLower(contentType), ";")
		kind = strings.TrimSpace(kind)
		return kind == "text/html" || kind == "application/xhtml+xml"
	}
	return strings.HasPrefix(http.DetectContentType(body), "text/html")
}

// tagText returns the text of the first element of a name in a lower-cased
// page, its spaces folded and inner tags dropped.
func tagText(page []byte, name string) string {
	for rest := page; ; {
		at := bytes.Index(rest, []byte("<"+name))
		if at < 0 {
			return ""
		}
		rest = rest[at+1+len(name):]
		if len(rest) == 0 || !bytes.ContainsRune([]byte("> \t\r\n/"), rune(rest[0])) {
			continue // <titles>, <h10>
		}
		end := bytes.IndexByte(rest, '>')
		if end < 0 {
			return ""
		}
		inner, _, _ := bytes.Cut(rest[end+1:], []byte("</"+name))
		return plainText(inner[:min(len(inner), 4<<10)])
	}
}

// plainText drops tags, decodes entities and folds spaces.
func plainText(markup []byte) string {
	var text strings.Builder
	inTag := false
	for _, b := range markup {
		switch {
		case b == '<':
			inTag = true
		case b == '>' && inTag:
			inTag = false
			text.WriteByte(' ')
		case !inTag:
			text.WriteByte(b)
		}
	}
	return strings.Join(strings.Fields(html.UnescapeString(text.String())), " ")
}
