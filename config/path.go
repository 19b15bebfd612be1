package config

import (
	"strconv"
	"strings"
)

// A path names a value in the file: checks[1].http.url, people.ada.email. The
// whole file is "".

// join makes the path of a key below a path; a relative path may begin with "[".
func join(path, key string) string {
	if path == "" || key == "" || strings.HasPrefix(key, "[") {
		return path + key
	}
	return path + "." + key
}

// element makes the path of an element of a list.
func element(path string, i int) string {
	return path + "[" + strconv.Itoa(i) + "]"
}

// parent cuts the last key or index off a path; of a single key it makes "".
func parent(path string) string {
	return path[:max(strings.LastIndexAny(path, ".["), 0)]
}

// within reports whether path is base or lies below it.
func within(path, base string) bool {
	rest, ok := strings.CutPrefix(path, base)
	return ok && (base == "" || rest == "" || rest[0] == '.' || rest[0] == '[')
}

// nearest finds the candidate that word was probably meant to be; "" when none
// is near enough. Capital letters, hyphens and underscores count as typos.
func nearest(word string, candidates []string) string {
	best, bestDistance := "", len(word)/3+1
	if len(word) > 64 {
		return ""
	}
	for _, c := range candidates {
		if d := distance(word, c); d <= bestDistance && d < len(c) && (best == "" || d < bestDistance) {
			best, bestDistance = c, d
		}
	}
	return best
}

// distance is how many letters must be added, dropped, exchanged or swapped
// with their neighbour to make b from a.
func distance(a, b string) int {
	before, row := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		older := before
		before, row = row, make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(before[j]+1, row[j-1]+1, before[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], older[j-2]+1)
			}
		}
	}
	return row[len(b)]
}
