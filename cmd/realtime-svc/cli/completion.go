package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// others are the commands of realtime-svc that this package does not have.
var others = []string{"serve", "config", "version"}

type completionCommand struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"Which: ${enum}."`
}

// Run prints the script.
func (s *completionCommand) Run(c *call) error {
	words := wordsOf(c.model.Node)
	words[""] = append(words[""], others...)
	if s.Shell == "fish" {
		c.out.line("%s", fish(words))
		return nil
	}
	if s.Shell == "zsh" {
		c.out.line("autoload -U +X bashcompinit && bashcompinit")
	}
	c.out.line("%s", bash(words))
	return nil
}

// wordsOf is what may follow each path of commands: commands and flags.
func wordsOf(node *kong.Node) map[string][]string {
	words := map[string][]string{}
	var visit func(node *kong.Node, path string)
	visit = func(node *kong.Node, path string) {
		for _, group := range node.AllFlags(true) {
			for _, flag := range group {
				words[path] = append(words[path], "--"+flag.Name)
			}
		}
		for _, child := range node.Children {
			words[path] = append(words[path], child.Name)
			visit(child, strings.TrimSpace(path+" "+child.Name))
		}
		slices.Sort(words[path])
		words[path] = slices.Compact(words[path])
	}
	visit(node, "")
	return words
}

func bash(words map[string][]string) string {
	var b strings.Builder
	b.WriteString("_realtime_svc() {\n\tlocal path='' word words=''\n")
	b.WriteString("\tfor word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do [[ $word == -* ]] || path=\"${path:+$path }$word\"; done\n\tcase $path in\n")
	for _, path := range sortedKeys(words) {
		fmt.Fprintf(&b, "\t'%s'%s) words='%s' ;;\n", path, map[bool]string{true: "*", false: ""}[path != ""], strings.Join(words[path], " "))
	}
	b.WriteString("\tesac\n\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"${COMP_WORDS[COMP_CWORD]}\")\n}\ncomplete -o default -F _realtime_svc realtime-svc")
	return b.String()
}

// sortedKeys has longer paths before their beginnings, as the first that fits is taken.
func sortedKeys(words map[string][]string) []string {
	keys := make([]string, 0, len(words))
	for key := range words {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b string) int { return strings.Compare(b, a) })
	return keys
}

func fish(words map[string][]string) string {
	lines := []string{"complete -c realtime-svc -f"}
	for _, path := range sortedKeys(words) {
		condition := "__fish_use_subcommand"
		if path != "" {
			condition = "__fish_seen_subcommand_from " + path[strings.LastIndex(path, " ")+1:]
		}
		for _, word := range words[path] {
			if flag, ok := strings.CutPrefix(word, "--"); ok {
				lines = append(lines, fmt.Sprintf("complete -c realtime-svc -n '%s' -l %s", condition, flag))
				continue
			}
			lines = append(lines, fmt.Sprintf("complete -c realtime-svc -n '%s' -a %s", condition, word))
		}
	}
	return strings.Join(lines, "\n")
}
