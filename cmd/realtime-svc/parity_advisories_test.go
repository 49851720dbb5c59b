package main

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// Each advisory's row of the parity table names a test that bears the advisory's id, so that who reads of one finds what
// answers it (PROTOCOL 9).
func TestAdvisoriesAreInTestNames(t *testing.T) {
	text, err := os.ReadFile("../../docs/parity.md")
	if err != nil {
		t.Fatal(err)
	}
	table, err := parseParity(string(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range advisories {
		i := slices.IndexFunc(table, func(row parityRow) bool { return strings.HasPrefix(row.behaviour, id+":") })
		if i < 0 {
			t.Errorf("%s has no row", id)
			continue
		}
		if proof := table[i].proof; !strings.Contains(proof, id) && !strings.Contains(proof, strings.ReplaceAll(id, "-", "_")) {
			t.Errorf("%s: no test is named for it: %s", id, proof)
		}
	}
}
