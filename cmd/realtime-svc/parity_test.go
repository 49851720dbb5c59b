package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// paritySections are the sections of the protocol's description (PROTOCOL) that docs/parity.md must have a row for.
var paritySections = func() []string {
	sections := []string{"2", "3", "4.1", "4.2", "4.3", "4.4", "4.5", "5", "6", "9"}
	for prefix, last := range map[string]int{"1.": 11, "2.": 8, "11.": 26} {
		for n := range last {
			sections = append(sections, prefix+strconv.Itoa(n+1))
		}
	}
	return sections
}()

// advisories are those that section 9 must have a row for.
var advisories = strings.Fields(`CVE-2017-16031 CVE-2020-28481 CVE-2020-36048 CVE-2020-36049 CVE-2022-21676 CVE-2022-41940 CVE-2023-31125 CVE-2022-2421
	CVE-2023-32695 CVE-2024-38355 CVE-2026-33151 CVE-2026-69185 CVE-2026-59725 CVE-2026-59724 CVE-2026-102599 CVE-2016-10542 CVE-2016-10518
	GHSA-5v72-xg48-5rpm CVE-2021-32640 CVE-2024-37890 CVE-2026-45736 CVE-2026-48779 GHSA-pxg6-pf52-xh8x GHSA-cgwc-pv48-fhj5 CVE-2026-48804
	CVE-2025-61765 CVE-2019-13611`)

// The table must not promise what nothing proves: each row names tests that exist, and says why it departs.
func TestParityTable(t *testing.T) {
	text, err := os.ReadFile("../../docs/parity.md")
	if err != nil {
		t.Fatal(err)
	}
	table, err := parseParity(string(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range slices.Concat(checkRows(table, &testSources{root: "../.."}), missingRows(table)) {
		t.Error(problem)
	}
	if len(table) < 300 {
		t.Errorf("%d rows: are they all read?", len(table))
	}
}

// What the test above is there for is noticed.
func TestParityTableIsChecked(t *testing.T) {
	const good = "`rooms TestSelect`, `e2e/parity.test.mjs \"3 an event called error\"`, `e2e/matrix.test.mjs \"* / * / rooms\"`"
	row := func(id, ours, proof string) string {
		return "## 1 x\n| " + id + " | behaviour | reference | " + ours + " | " + proof + " |\n"
	}
	tests := &testSources{root: "../.."}
	for name, c := range map[string]struct{ text, problem string }{
		"good":                 {row("1.1-1", "same", good), ""},
		"good, with a case":    {row("1.1-1", "same: so", "`wsedge TestDisconnects/client leaves`"), ""},
		"differs with reason":  {row("1.1-1", "differs: so. Why: thus.", good), ""},
		"not served":           {row("1.1-1", "not served: so. Instead: that.", good), ""},
		"no proof":             {row("1.1-1", "same", ""), "no proof"},
		"a proof in words":     {row("1.1-1", "same", "all tests"), "no proof"},
		"half a proof":         {row("1.1-1", "same", "`rooms TestSelect"), "does not end"},
		"two without a comma":  {row("1.1-1", "same", "`rooms TestSelect` `rooms TestAdd`"), "between two proofs"},
		"no test's name":       {row("1.1-1", "same", "`rooms`"), "names no test"},
		"no such function":     {row("1.1-1", "same", "`rooms TestNothing`"), "no such function"},
		"no such package":      {row("1.1-1", "same", "`rooms/x TestSelect`"), "no tests in"},
		"no such case":         {row("1.1-1", "same", "`wsedge TestDisconnects/client stays`"), "no such case"},
		"no such title":        {row("1.1-1", "same", "`e2e/parity.test.mjs \"3 an event that nobody called\"`"), "no such title"},
		"no such scenario":     {row("1.1-1", "same", "`e2e/matrix.test.mjs \"* / * / doors\"`"), "no such title"},
		"no such file":         {row("1.1-1", "same", "`e2e/none.test.mjs \"x\"`"), "no such file"},
		"differs for nothing":  {row("1.1-1", "differs: so.", good), "departs with a reason"},
		"not served, no more":  {row("1.1-1", "not served: so.", good), "departs with a reason"},
		"no verdict":           {row("1.1-1", "similar", good), "departs with a reason"},
		"twice":                {row("1.1-1", "same", good) + row("1.1-1", "same", good), "stands twice"},
		"under another number": {row("2.1-1", "same", good), "stands under 1"},
	} {
		table, err := parseParity(c.text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		problems := strings.Join(checkRows(table, tests), "\n")
		if (problems == "") != (c.problem == "") || !strings.Contains(problems, c.problem) {
			t.Errorf("%s: %q, want %q", name, problems, c.problem)
		}
	}
	for name, text := range map[string]string{
		"too few cells": "| 1.1-1 | a | b | same |", "too many": "| 1.1-1 | a | b | same | `x` | y |", "no number": "| 1.1 | a | b | same | `x` |",
		"no behaviour": "| 1.1-1 |  | b | same | `x` |", "no reference": "| 1.1-1 | a |  | same | `x` |",
	} {
		if _, err := parseParity(text); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if got := len(missingRows(nil)); got != len(paritySections)+len(advisories) {
		t.Errorf("an empty table lacks %d rows", got)
	}
	if got := missingRows([]parityRow{{id: "7-1", section: "7"}}); !slices.Contains(got, "7-1 belongs to no section") {
		t.Error("a row of no section is taken")
	}
}

// parityRow is one row of the table. section is its id up to the number.
type parityRow struct {
	id, section, heading   string
	behaviour, ours, proof string
	line                   int
}

var parityID = regexp.MustCompile(`^(\d+(?:\.\d+)?)-[1-9]\d*$`)

// parseParity reads the rows of every table whose first column is "id". Their cells hold no vertical bars.
func parseParity(text string) ([]parityRow, error) {
	var table []parityRow
	heading := ""
	for i, line := range strings.Split(text, "\n") {
		if rest, ok := strings.CutPrefix(line, "## "); ok {
			heading, _, _ = strings.Cut(rest, " ")
		}
		if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "| id |") || strings.HasPrefix(line, "|---") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for j := range cells {
			cells[j] = strings.TrimSpace(cells[j])
		}
		if len(cells) != 5 {
			return nil, fmt.Errorf("line %d has %d cells, want 5", i+1, len(cells))
		}
		id := parityID.FindStringSubmatch(cells[0])
		if id == nil {
			return nil, fmt.Errorf("line %d: %q is no id", i+1, cells[0])
		}
		if cells[1] == "" || cells[2] == "" {
			return nil, fmt.Errorf("line %d: %s has an empty cell", i+1, cells[0])
		}
		table = append(table, parityRow{cells[0], id[1], heading, cells[1], cells[3], cells[4], i + 1})
	}
	return table, nil
}

// checkRows returns what is wrong with single rows.
func checkRows(table []parityRow, tests *testSources) []string {
	var problems []string
	seen := make(map[string]bool)
	for _, row := range table {
		problem := func(format string, args ...any) {
			problems = append(problems, fmt.Sprintf("line %d, %s: ", row.line, row.id)+fmt.Sprintf(format, args...))
		}
		if seen[row.id] {
			problem("stands twice")
		}
		seen[row.id] = true
		if row.section != row.heading && !strings.HasPrefix(row.section, row.heading+".") {
			problem("stands under %s", row.heading)
		}
		if !parityVerdict.MatchString(row.ours) {
			problem("%q is neither same, nor departs with a reason", row.ours)
		}
		proofs, err := splitProofs(row.proof)
		if err != nil {
			problem("%v", err)
		}
		for _, proof := range proofs {
			if err := tests.find(proof); err != nil {
				problem("%s: %v", proof, err)
			}
		}
	}
	return problems
}

// parityVerdict is what may stand under "ours": what differs has a reason, what is not served something else.
var parityVerdict = regexp.MustCompile(`^(same([:,;].*)?|differs: \S.* Why: \S.+|not served: \S.* Instead: \S.+)$`)

// missingRows returns which sections and advisories have no row.
func missingRows(table []parityRow) []string {
	var problems []string
	for _, section := range paritySections {
		if !slices.ContainsFunc(table, func(row parityRow) bool { return row.section == section }) {
			problems = append(problems, "section "+section+" has no row")
		}
	}
	for _, advisory := range advisories {
		found := slices.ContainsFunc(table, func(row parityRow) bool {
			return row.section == "9" && strings.HasPrefix(row.behaviour, advisory+":")
		})
		if !found {
			problems = append(problems, advisory+" has no row")
		}
	}
	for _, row := range table {
		if !slices.Contains(paritySections, row.section) {
			problems = append(problems, row.id+" belongs to no section")
		}
	}
	return problems
}

// splitProofs splits a cell: one or more proofs in backticks, with commas between them.
func splitProofs(cell string) ([]string, error) {
	var proofs []string
	for rest := cell; ; {
		if !strings.HasPrefix(rest, "`") {
			return proofs, errors.New("no proof, or one that is not in backticks")
		}
		proof, after, ok := strings.Cut(rest[1:], "`")
		if !ok || proof == "" {
			return proofs, errors.New("a proof that does not end")
		}
		proofs = append(proofs, proof)
		if after == "" {
			return proofs, nil
		}
		if rest, ok = strings.CutPrefix(after, ", "); !ok {
			return proofs, fmt.Errorf("%q between two proofs", after)
		}
	}
}

// testSources finds tests in the source under root, and remembers what it has read.
type testSources struct {
	root   string
	golang map[string]*goTests   // by package folder
	node   map[string]*nodeTests // by file
}

// goTests are the tests of one package: the file of each function, and the strings that stand in each file.
type goTests struct {
	funcs    map[string]string
	literals map[[2]string]bool // file and string
}

// nodeTests are the titles in one file and the files of ours that it imports, as patterns; and every string and key, those
// that are put together as patterns.
type nodeTests struct {
	titles, composed []*regexp.Regexp
	literals         map[string]bool
}

var (
	goProof   = regexp.MustCompile(`^([\w./-]+) ((?:Test|Fuzz|Example)\w*)(?:/(.+))?$`)
	nodeProof = regexp.MustCompile(`^(e2e/[\w-]+\.test\.mjs) "(.+)"$`)
)

func (s *testSources) find(proof string) error {
	if m := nodeProof.FindStringSubmatch(proof); m != nil {
		return s.findNode(m[1], m[2])
	}
	m := goProof.FindStringSubmatch(proof)
	if m == nil {
		return errors.New("names no test")
	}
	if s.golang == nil {
		s.golang = make(map[string]*goTests)
	}
	tests := s.golang[m[1]]
	if tests == nil {
		var err error
		if tests, err = readGoTests(filepath.Join(s.root, m[1])); err != nil {
			return err
		}
		s.golang[m[1]] = tests
	}
	file, ok := tests.funcs[m[2]]
	if !ok {
		return errors.New("there is no such function")
	}
	if m[3] != "" && !tests.literals[[2]string{file, m[3]}] {
		return errors.New("there is no such case in " + file)
	}
	return nil
}

func readGoTests(dir string) (*goTests, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("no tests in %s", dir)
	}
	tests := &goTests{make(map[string]string), make(map[[2]string]bool)}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if n.Recv == nil {
					tests.funcs[n.Name.Name] = file
				}
			case *ast.BasicLit:
				if text, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING {
					tests.literals[[2]string{file, text}] = true
				}
			}
			return true
		})
	}
	return tests, nil
}

// findNode looks for a title. One that is put together matches with what is filled in, and every part that is filled in
// must be a string of the source, or a star.
func (s *testSources) findNode(file, title string) error {
	if s.node == nil {
		s.node = make(map[string]*nodeTests)
	}
	tests := s.node[file]
	if tests == nil {
		tests = &nodeTests{literals: make(map[string]bool)}
		if err := tests.read(filepath.Join(s.root, file), make(map[string]bool)); err != nil {
			return err
		}
		s.node[file] = tests
	}
	if !tests.matches(tests.titles, title, tests.isText) {
		return errors.New("there is no such title")
	}
	return nil
}

// matches reports whether one of the patterns matches text with parts that are all known.
func (n *nodeTests) matches(patterns []*regexp.Regexp, text string, known func(part string) bool) bool {
	for _, pattern := range patterns {
		m := pattern.FindStringSubmatch(text)
		if m != nil && !slices.ContainsFunc(m[1:], func(part string) bool { return !known(part) }) {
			return true
		}
	}
	return false
}

// isText reports whether a part of a title stands in the source, at once or put together of what does; a star is any part.
func (n *nodeTests) isText(part string) bool {
	return n.isLiteral(part) || n.matches(n.composed, part, n.isLiteral)
}

func (n *nodeTests) isLiteral(part string) bool { return part == "*" || n.literals[part] }

var (
	nodeImport = regexp.MustCompile(`(?:from|import) "(\./[^"]+|\.\./[^"]+)"`)
	nodeTitle  = regexp.MustCompile("\\b(?:test|compare)\\(\\s*(\"(?:[^\"\\\\]|\\\\.)*\"|`[^`]*`)")
	nodeText   = regexp.MustCompile(`"((?:[^"\\\n]|\\.)*)"`)
	nodeMade   = regexp.MustCompile("`[^`\n]*\\$\\{[^`\n]*`")
	nodeFill   = regexp.MustCompile(`\$\{[^}]*\}`)
	nodeKey    = regexp.MustCompile(`(?m)^\s*(\w+):`)
)

// read adds the titles and strings of a file and of what it imports by a relative path.
func (n *nodeTests) read(file string, seen map[string]bool) error {
	if seen[file] {
		return nil
	}
	seen[file] = true
	source, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	text := string(source)
	for _, m := range nodeTitle.FindAllStringSubmatch(text, -1) {
		n.titles = appendPattern(n.titles, m[1])
	}
	for _, made := range nodeMade.FindAllString(text, -1) {
		n.composed = appendPattern(n.composed, made)
	}
	for _, text := range slices.Concat(nodeText.FindAllStringSubmatch(text, -1), nodeKey.FindAllStringSubmatch(text, -1)) {
		n.literals[text[1]] = true
	}
	for _, m := range nodeImport.FindAllStringSubmatch(text, -1) {
		if err := n.read(filepath.Join(filepath.Dir(file), m[1]), seen); err != nil {
			return err
		}
	}
	return nil
}

// appendPattern appends what a string of JavaScript with its quotes matches. One that is nothing but a variable, which would
// match everything, is left out.
func appendPattern(patterns []*regexp.Regexp, quoted string) []*regexp.Regexp {
	parts := nodeFill.Split(quoted[1:len(quoted)-1], -1)
	if strings.Join(parts, "") == "" {
		return patterns
	}
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	return append(patterns, regexp.MustCompile("^"+strings.Join(parts, "(.+)")+"$"))
}
