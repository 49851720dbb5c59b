package rooms

import (
	"fmt"
	"regexp"
)

// pattern admits dynamic namespaces. Immutable.
type pattern struct {
	text string         // as configured
	re   *regexp.Regexp // matches whole names only
}

// compilePatterns returns every problem, each an ErrNamespacePattern.
func compilePatterns(texts []string) (patterns []pattern, errs []error) {
	patterns = make([]pattern, 0, len(texts))
	seen := make(map[string]bool, len(texts))
	for _, text := range texts {
		switch _, err := regexp.Compile(text); {
		case text == "":
			errs = append(errs, fmt.Errorf("%w: the empty one matches no name", ErrNamespacePattern))
		case err != nil:
			// Found before the brackets are put around it, which "a)|(b" would outwit.
			errs = append(errs, fmt.Errorf("%w: %q: %w", ErrNamespacePattern, text, err))
		case seen[text]:
			errs = append(errs, fmt.Errorf("%w: %q occurs twice", ErrNamespacePattern, text))
		default:
			seen[text] = true
			patterns = append(patterns, pattern{text: text, re: regexp.MustCompile(`\A(?:` + text + `)\z`)})
		}
	}
	return patterns, errs
}

// match returns the first pattern that matches the name, nil if none does or it can be no namespace's.
func (h *Hub) match(name string) *pattern {
	if len(h.patterns) == 0 || !validName(name) {
		return nil
	}
	for i := range h.patterns {
		if h.patterns[i].re.MatchString(name) {
			return &h.patterns[i]
		}
	}
	return nil
}
