package pages

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// themes reads the colours of the style sheet: of the day, of the night and of
// the door, each with what it inherits.
func themes(t *testing.T) map[string]map[string]string {
	t.Helper()
	css, err := assetFiles.ReadFile("assets/site.css")
	if err != nil {
		t.Fatal(err)
	}
	roots := regexp.MustCompile(`(?s)(:root|body\.black) \{(.*?)\}`).FindAllStringSubmatch(string(css), -1)
	variable := regexp.MustCompile(`--([\w-]+): (#[0-9a-f]{3,6});`)
	out := map[string]map[string]string{"day": {}, "night": {}, "door": {}}
	read := func(block string, into ...string) {
		for _, m := range variable.FindAllStringSubmatch(block, -1) {
			for _, theme := range into {
				out[theme][m[1]] = m[2]
			}
		}
	}
	for i, m := range roots {
		switch {
		case i == 0:
			read(m[2], "day", "night", "door")
		case m[1] == "body.black":
			read(m[2], "door")
		case strings.Contains(m[2], "--paper"):
			read(m[2], "night")
		}
	}
	return out
}

// luminance is that of WCAG 2.2.
func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	hex = strings.TrimPrefix(hex, "#")
	if len(hex) == 3 {
		hex = string([]byte{hex[0], hex[0], hex[1], hex[1], hex[2], hex[2]})
	}
	n, err := strconv.ParseUint(hex, 16, 32)
	if err != nil || len(hex) != 6 {
		t.Fatalf("%q is no colour", hex)
	}
	part := func(shift uint) float64 {
		c := float64(n>>shift&255) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*part(16) + 0.7152*part(8) + 0.0722*part(0)
}

// Text has a contrast of 4.5, borders of controls and marks one of 3 (WCAG AA,
// 1.4.3 and 1.4.11), in every theme.
func TestContrast(t *testing.T) {
	t.Parallel()
	pairs := []struct {
		front, back string
		least       float64
	}{
		{"ink", "paper", 7},
		{"ink", "card", 7},
		{"ink", "mount", 7},
		{"ink", "wash", 4.5},
		{"paper", "ink", 7}, // what is chosen is inverted
		{"soft", "paper", 4.5},
		{"soft", "card", 4.5},
		{"soft", "mount", 4.5},
		{"soft", "wash", 4.5},
		{"mark", "paper", 4.5},
		{"mark", "card", 4.5},
		{"mark", "mount", 4.5},
		{"on-mark", "mark", 4.5},
		{"bad", "paper", 4.5},
		{"bad", "card", 4.5},
		{"good", "paper", 4.5},
		{"good", "card", 4.5},
		{"on-pend", "pend", 4.5},
		{"edge", "paper", 3},
		{"edge", "card", 3},
		{"mark", "wash", 3},
	}
	for name, colours := range themes(t) {
		for _, p := range pairs {
			front, back := colours[p.front], colours[p.back]
			if front == "" || back == "" {
				t.Fatalf("%s: no colour %s or %s", name, p.front, p.back)
			}
			a, b := luminance(t, front), luminance(t, back)
			if got := (max(a, b) + 0.05) / (min(a, b) + 0.05); got < p.least {
				t.Errorf("%s: %s %s on %s %s has a contrast of %.2f, want %.1f", name, p.front, front, p.back, back, got, p.least)
			}
		}
	}
}

// The style and the scripts ask nobody else for anything, and build no markup.
func TestAssetsAreOurs(t *testing.T) {
	t.Parallel()
	entries, err := assetFiles.ReadDir("assets")
	if err != nil || len(entries) < 8 {
		t.Fatalf("%d assets: %v", len(entries), err)
	}
	forbidden := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|createContextualFragment|DOMParser|@import|//[a-z0-9.-]+\.[a-z]{2,}/`)
	for _, e := range entries {
		data, err := assetFiles.ReadFile("assets/" + e.Name())
		if err != nil {
			t.Fatal(err)
		}
		text := strings.ReplaceAll(string(data), "http://www.w3.org/2000/svg", "")
		if got := forbidden.FindString(text); got != "" {
			t.Errorf("%s uses %s", e.Name(), got)
		}
	}
	for name := range views() {
		data, err := htmlFiles.ReadFile("html/" + name + ".html")
		if err != nil {
			t.Fatal(err)
		}
		if got := regexp.MustCompile(`style=| on[a-z]+="|https?://|<script[^>]*>[^<]`).FindString(string(data)); got != "" {
			t.Errorf("%s.html holds %s, which the policy forbids", name, got)
		}
	}
}
