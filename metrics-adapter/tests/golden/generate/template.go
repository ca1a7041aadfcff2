package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"text/template"
	"time"
)

// data has the fields of prometheus-adapter's queryTemplateArgs.
type data struct {
	Series            string
	LabelMatchers     string
	LabelValuesByName map[string]string
	GroupBy           string
	GroupBySlice      []string
}

var scopes = []data{
	{
		Series:            "http_requests_total",
		LabelMatchers:     `namespace="shop",pod=~"web-0|web-1"`,
		LabelValuesByName: map[string]string{"namespace": "shop", "pod": "web-0|web-1", "empty": ""},
		GroupBy:           "pod",
		GroupBySlice:      []string{"pod"},
	},
	// An external rule.
	{
		Series:            "queue_length",
		LabelMatchers:     "",
		LabelValuesByName: map[string]string{},
		GroupBy:           "",
		GroupBySlice:      []string{},
	},
	{
		Series:            "x:é \"q\" \\ \n\t\u0000\u200b\u2028☃😀",
		LabelMatchers:     "a=\"b\"",
		LabelValuesByName: map[string]string{"é": "ü", "b": "\"", "a_1": "\\", "Z": "zz"},
		GroupBy:           "pod,container",
		GroupBySlice:      []string{"pod", "container", "node", ""},
	},
}

// templateCase is [scope, template, "ok"|"parse"|"exec", output].
func templateCase(scope int, text string) vector {
	parsed, err := template.New("metrics-query").Delims("<<", ">>").Parse(text)
	if err != nil {
		return []any{scope, text, "parse"}
	}
	var out limited
	done := make(chan error, 1)
	go func() { done <- parsed.Execute(&out, scopes[scope]) }()
	select {
	case err = <-done:
	case <-time.After(5 * time.Second):
		panic("template does not end: " + text)
	}
	if err != nil {
		return []any{scope, text, "exec"}
	}
	return []any{scope, text, "ok", out.String()}
}

// limited keeps the vectors small.
type limited struct{ strings.Builder }

func (l *limited) Write(p []byte) (int, error) {
	if l.Len()+len(p) > 4000 {
		return 0, fmt.Errorf("too long")
	}
	return l.Builder.Write(p)
}

var handTemplates = []string{
	// Fields, chains, maps.
	`sum(rate(<<.Series>>{<<.LabelMatchers>>}[2m])) by (<<.GroupBy>>)`, "<<.Series>>", "<< .Series >>", "<<.GroupBySlice>>",
	"<<.LabelValuesByName>>", "<<.LabelValuesByName.pod>>", "<<.LabelValuesByName.none>>", "<<.LabelValuesByName.none.more>>",
	"<<.LabelValuesByName.pod.x>>", "<<.Series.x>>", "<<.Foo>>", "<<.series>>", "<<(.LabelValuesByName).pod>>",
	"<<$.Series>>", "<<$.LabelValuesByName.pod>>", "<<(index .GroupBySlice 0).x>>", "<<.LabelValuesByName.pod 1>>",
	"<<.Series 1>>", "<<.Series | .GroupBy>>", "<<.LabelValuesByName.é>>", "<<.LabelValuesByName.a_1>>", "<<.LabelValuesByName.1>>",
	"<<.Series.>>", "<<..Series>>", "<<. .Series>>", "<<.Series .GroupBy>>", "<<.1>>", "<<.é>>", "<<.LabelValuesByName. pod>>",
	"<<.LabelValuesByName .pod>>", "<<.LabelValuesByName.pod.>>", "<<.LabelValuesByName.½>>", "<<.LabelValuesByName.ͅ>>",
	// index
	`<<index .LabelValuesByName "pod">>`, `<<index .LabelValuesByName "nosuch">>`, "<<index .LabelValuesByName `pod`>>",
	"<<index .GroupBySlice 0>>", "<<index .GroupBySlice 1>>", "<<index .GroupBySlice 9>>", "<<index .GroupBySlice -1>>",
	`<<index .GroupBySlice "0">>`, "<<index .LabelValuesByName 0>>", "<<index .Series 0>>", "<<index .Series 999>>",
	"<<index>>", "<<index .Series>>", "<<index .LabelValuesByName>>", "<<index nil>>", "<<index nil 1>>", "<<index 1 1>>",
	"<<index .GroupBySlice nil>>", "<<index .LabelValuesByName nil>>", `<<index .LabelValuesByName "pod" 0>>`,
	`<<index .LabelValuesByName "pod" 0 0>>`, "<<index .GroupBySlice 0 0>>", `<<"pod" | index .LabelValuesByName>>`,
	"<<0 | index .GroupBySlice>>", "<<index .GroupBySlice (index .Series 0)>>", "<<index .GroupBySlice 0.0>>", "<<index .GroupBySlice 0x0>>",
	"<<index .GroupBySlice '\\x00'>>", "<<index . 0>>", "<<index true 0>>", "<<index .Series (len .Series)>>",
	"<<index .GroupBySlice (len .GroupBySlice)>>", "<<.GroupBySlice | index 0>>", "<<index .LabelValuesByName .GroupBy>>",
	// range
	"<<range .GroupBySlice>>[<<.>>]<<end>>", "<<range .GroupBySlice>>x<<else>>none<<end>>", "<<range $v := .GroupBySlice>><<$v>>;<<end>>",
	"<<range $i, $v := .GroupBySlice>><<$i>>=<<$v>>;<<end>>", "<<range $k, $v := .LabelValuesByName>><<$k>>=<<printf \"%q\" $v>>,<<end>>",
	"<<range .LabelValuesByName>>[<<.>>]<<end>>", "<<range 3>><<.>><<end>>", "<<range $i := 3>><<$i>><<end>>", "<<range $i, $j := 3>><<end>>",
	"<<range 0>>x<<else>>zero<<end>>", "<<range -1>>x<<else>>neg<<end>>", "<<range .Series>>x<<end>>", "<<range true>>x<<end>>", "<<range nil>>x<<end>>",
	"<<range .>>x<<end>>", "<<range .LabelValuesByName.none>>x<<else>>e<<end>>", "<<range $i, $e := .GroupBySlice>><<if $i>>,<<end>><<$e>><<end>>",
	"<<$s := 0>><<range $s = .GroupBySlice>><<end>><<$s>>", "<<$k := 0>><<$v := 0>><<range $k, $v = .LabelValuesByName>><<end>><<$k>><<$v>>",
	"<<range $x, .GroupBySlice>>x<<end>>", "<<range $x,>>x<<end>>", "<<range $x, $y, $z := .GroupBySlice>>x<<end>>", "<<range $x, 1>>x<<end>>",
	"<<range .GroupBySlice>><<$.Series>><<end>>", "<<range .GroupBySlice>><<.x>><<end>>", "<<range (index .Series 0)>>.<<end>>",
	"<<range $i, $c := (index .Series 0)>>.<<end>>", "<<range>>x<<end>>", "<<range .GroupBySlice | print>>x<<end>>",
	"<<range $i, $v := .GroupBySlice>><<$i = 7>><<$i>><<$v>><<end>>", "<<range .GroupBySlice>><<$x := .>><<$x>><<end>><<$x>>",
	// break and continue
	"<<range 9>><<if gt . 3>><<break>><<end>><<.>><<end>>", "<<range 5>><<if eq . 2>><<continue>><<end>><<.>><<end>>", "<<break>>", "<<continue>>",
	"<<range 3>>a<<range 0>><<else>><<break>><<end>>b<<end>>", "<<range 3>>a<<range 0>><<else>><<continue>><<end>>b<<end>>",
	"<<range 3>><<break x>><<end>>", "<<range 0>><<else>><<break>><<end>>", "<<range 3>><<with .>><<break>><<end>>x<<end>>", "<<range 3>><< break >>x<<end>>",
	"<<range 3>><<print break>><<end>>", "<<range 3>>a<<if .>><<$x := 1>><<continue>><<end>>b<<end>>",
	// if, with
	"<<if .Series>>a<<end>>", "<<if .GroupBy>>a<<else>>b<<end>>", "<<if .GroupBySlice>>a<<else if .Series>>b<<else>>c<<end>>",
	"<<if false>>a<<else if false>>b<<else if true>>c<<end>>", "<<with .GroupBy>><<.>><<else>>none<<end>>", "<<with $x := .GroupBy>><<$x>><<.>><<end>>",
	"<<with .LabelValuesByName.none>>x<<else with .Series>><<.>><<end>>", "<<if .Series>>a<<else with .Series>>b<<end>>", "<<with .Series>>a<<else if .Series>>b<<end>>",
	"<<if>>a<<end>>", "<<if .Series>>a", "<<if .Series>>a<<else>>b<<else>>c<<end>>", "<<if .Series>>a<<end x>>", "<<else>>", "<<end>>", "<<if .>>dot<<end>>",
	"<<if nil>>a<<end>>", "<<if (nil)>>a<<end>>", "<<with .>><<.Series>><<end>>", "<<with $>><<.Series>><<end>>", "<<if 0>>a<<else>>b<<end>>", "<<if 1>>a<<end>>", `<<if "">>a<<else>>b<<end>>`,
	"<<if index .Series 0>>a<<end>>", "<<with 5>><<.>><<end>>", "<<with $x := 5>><<end>><<$x>>", "<<if $x := 5>><<$x>><<end>>", "<<if eq .GroupBy \"\">>e<<else>>n<<end>>",
	"<<if and .GroupBy .Series>>x<<end>>", "<<if or .GroupBy .Series>>x<<end>>", "<<if not .GroupBy>>x<<end>>", "<<if and>>x<<end>>",
	// variables
	"<<$x := 1>><<$x>>", "<<$x := .Series>><<$x>>", "<<$x := 1>><<$x = 2>><<$x>>", "<<$x = 2>>", "<<$x>>", "<<$x := 1>><<if true>><<$x = 2>><<end>><<$x>>",
	"<<$x := 1>><<if true>><<$x := 2>><<end>><<$x>>", "<<$x := $x>>", "<<$x:=1>><<$x>>", "<<$x :=1>><<$x>>", "<<$x := .>><<$x.Series>>", "<<$ := 1>><<$>>", "<<$>>", "<<$x, $y := 1>>",
	"<<$x := .LabelValuesByName>><<$x.pod>>", "<<$é := 1>><<$é>>", "<<$1 := 1>><<$1>>", "<<$x := 1 | print>><<$x>>", "<<$x := 1>><<$x.y>>", "<<$x := nil>>", "<<$x := (nil)>>",
	"<<$x := .LabelValuesByName.none>><<$x>>", "<<$x := .LabelValuesByName.none>><<$x.a.b>>", "<<print ($y := 4) $y>>", "<<$x := 1>><<$x 2>>", "<<$x := 1>><<2 | $x>>", "<<$x : 1>>", "<<$x := >>",
	"<<if true>><<$x := 1>><<end>><<$x>>", "<<$x := 1>><<$x = \"s\">><<$x>>", "<<$x := .GroupBySlice>><<range $x>><<$x = 1>><<end>><<$x>>",
	// pipelines and parentheses
	"<<.Series | print>>", "<<.Series | printf \"%s-%s\" \"a\">>", "<<.Series | printf \"%q\" | print \"x\">>", "<<(.Series)>>", "<<((.Series))>>", "<<(print 1) | print>>", "<<print (print 1 2) 3>>",
	"<<.Series | >>", "<<| .Series>>", "<<.Series | | print>>", "<<.Series | \"x\">>", "<<.Series | 1>>", "<<.Series | true>>", "<<.Series | nil>>", "<<.Series | .>>", "<<()>>", "<<(>>", "<<)>>",
	"<<(.Series>>", "<<.Series)>>", "<<print(1)>>", "<<print (1)(2)>>", "<<print 1(2)>>", "<<1 | (print)>>", "<<(print) 1>>", "<<(1) | print>>", "<<1|print>>", "<<print|print>>", "<<print print>>", "<<print len>>",
	"<<(index .LabelValuesByName \"pod\") | len>>", "<<.Series|len|printf \"%03d\">>", "<<true.x>>", "<<nil.x>>", "<<\"a\".x>>", "<<1.x>>", "<<(1).x>>", "<<print.x>>", "<<print .x>>",
	// printf, print, println
	`<<printf "%s" .Series>>`, `<<printf "%q" .Series>>`, `<<printf "%v" .Series>>`, `<<printf "%d" 42>>`, `<<printf "%5d|%-5d|%05d|%+d|% d|%.3d" 42 42 42 42 42 42>>`, `<<printf "%5d|%-5d|%05d|%+d|% d|%.3d" -42 -42 -42 -42 -42 -42>>`,
	`<<printf "%10s|%-10s|%.2s|%5.1s|%-5.1s|%05s" "é☃z" "é☃z" "é☃z" "é☃z" "é☃z" "ab">>`, `<<printf "%t %v %6t|%-6v|%06t" true false true false true>>`, `<<printf "%s" .GroupBySlice>>`, `<<printf "%q" .GroupBySlice>>`,
	`<<printf "%v" .LabelValuesByName>>`, `<<printf "%q" .LabelValuesByName>>`, `<<printf "%8q|%-8q|%08q|%.1q" "é" "é" "é" "éa">>`, `<<printf "%+q" .Series>>`, `<<printf "%q" 65>>`, `<<printf "%q" 0x1F600>>`, `<<printf "%+q" 0x1F600>>`, `<<printf "%q" -1>>`, `<<printf "%q" 39>>`,
	`<<printf "%5s|%3v" .GroupBySlice .GroupBySlice>>`, `<<printf "%%">>`, `<<printf "100%%">>`, `<<printf "%5%">>`, `<<printf "">>`, `<<printf "abc">>`, `<<printf>>`, `<<printf 1>>`, `<<printf nil>>`, `<<printf .Series>>`, `<<printf .GroupBySlice>>`, `<<"%s" | printf>>`,
	`<<printf "%v" nil>>`, `<<printf "%6v|" nil>>`, `<<printf "%v" .LabelValuesByName.none>>`, `<<printf "%v" (index .Series 0)>>`, `<<printf "%d" (index .Series 0)>>`, `<<printf "%q" (index .Series 0)>>`, `<<printf "%v" '☃'>>`, `<<printf "%03d" 7>>`, `<<printf "%-03d|" 7>>`, `<<printf "%.0d|" 0>>`, `<<printf "%5.0d|" 0>>`,
	`<<printf "%08.3d|" 7>>`, `<<printf "%+05d" 7>>`, `<<printf "% 05d" 7>>`, `<<printf "%+v" 7>>`, `<<printf "%+v" -7>>`, `<<printf "% v" 7>>`, `<<printf "%5v|%-5v|%05v" 7 7 7>>`, `<<printf "%.s|" "abc">>`, `<<printf "%.v|" 7>>`, `<<printf "%5.2v|" 7>>`, `<<printf "%.2t" true>>`,
	`<<print>>`, `<<print 1 2>>`, `<<print 1 "a" 2 3>>`, `<<print "a" "b">>`, `<<print true false>>`, `<<print .GroupBySlice .GroupBySlice>>`, `<<print nil>>`, `<<print nil 1>>`, `<<print .LabelValuesByName.none>>`, `<<println 1 "a">>`, `<<println>>`, `<<println "a">>`, `<<print .LabelValuesByName>>`, `<<print 'a'>>`, `<<print .>>`,
	// Verbs that we refuse.
	`<<printf "%d" .Series>>`, `<<printf "%s" 1>>`, `<<printf "%s">>`, `<<printf "%s" "a" "b">>`, `<<printf "%x" .Series>>`, `<<printf "%X" 1>>`, `<<printf "%c" 65>>`, `<<printf "%U" 65>>`, `<<printf "%b" 5>>`, `<<printf "%o" 8>>`, `<<printf "%T" 1>>`, `<<printf "%#v" "a">>`, `<<printf "%#q" "a">>`, `<<printf "%z" 1>>`,
	`<<printf "%" 1>>`, `<<printf "%5" 1>>`, `<<printf "%!" 1>>`, `<<printf "%*d" 5 1>>`, `<<printf "%[1]d" 1>>`, `<<printf "%s" nil>>`, `<<printf "%d" nil>>`, `<<printf "%t" 1>>`, `<<printf "%d" true>>`, `<<printf "%s" true>>`, `<<printf "%d" .GroupBySlice>>`, `<<printf "%f" 1.5>>`, `<<printf "%e" 1>>`, `<<printf "%w" 1>>`, `<<printf "%1001d" 1>>`,
	// len, comparisons, booleans
	"<<len .Series>>", "<<len .GroupBySlice>>", "<<len .LabelValuesByName>>", "<<len>>", "<<len 1>>", "<<len nil>>", "<<len .>>", "<<len .Series .Series>>", "<<len .LabelValuesByName.none>>", `<<len "é">>`,
	`<<eq .GroupBy "pod">>`, `<<eq .GroupBy "x" "pod">>`, `<<eq 1 1>>`, `<<eq 1 "1">>`, `<<eq 1>>`, `<<eq>>`, `<<eq 1 1 "a">>`, `<<eq 1 2 "a">>`, `<<eq nil nil>>`, `<<eq .Series nil>>`, `<<eq nil 1>>`, `<<eq .GroupBySlice .GroupBySlice>>`, `<<eq .LabelValuesByName nil>>`, `<<eq . .>>`, `<<eq true true>>`, `<<eq true 1>>`,
	`<<eq .LabelValuesByName.none "">>`, `<<eq .LabelValuesByName.none nil>>`, `<<ne 1 2>>`, `<<ne 1 2 3>>`, `<<ne "a" 1>>`, `<<lt 1 2>>`, `<<lt 2 1>>`, `<<lt "a" "b">>`, `<<lt "Z" "a">>`, `<<lt true false>>`, `<<lt 1 "a">>`, `<<lt nil 1>>`, `<<le 1 1>>`, `<<le "b" "a">>`, `<<gt 2 1>>`, `<<ge 1 2>>`, `<<ge .GroupBy "p">>`, `<<gt .GroupBySlice 1>>`,
	`<<eq (index .Series 0) 104>>`, `<<lt (index .Series 0) 200>>`, `<<gt -1 (index .Series 0)>>`, `<<1 | eq 1>>`, `<<2 | lt 1>>`, `<<and 1 2>>`, `<<and 0 2>>`, `<<and "" (index .GroupBySlice 99)>>`, `<<or 1 (index .GroupBySlice 99)>>`, `<<or 0 "">>`, `<<or "" .Series>>`, `<<and>>`, `<<or>>`, `<<not>>`, `<<not 1>>`, `<<not 0>>`, `<<not nil>>`, `<<not .GroupBySlice>>`, `<<not 1 2>>`,
	`<<1 | and 2>>`, `<<1 | and 0>>`, `<<0 | or 0>>`, `<<and nil 1>>`, `<<or nil 1>>`, `<<or nil nil>>`, `<<and .LabelValuesByName.none 1>>`, `<<1 | and>>`, `<<and 1>>`, `<<true>>`, `<<false>>`, `<<not (eq .GroupBy "")>>`,
	// slice
	`<<slice .Series 1>>`, `<<slice .Series 1 3>>`, `<<slice .Series>>`, `<<slice .Series 3 1>>`, `<<slice .Series 0 999>>`, `<<slice .Series -1>>`, `<<slice .GroupBySlice 1>>`, `<<slice .GroupBySlice 0 1>>`, `<<slice (slice .GroupBySlice 0 1) 0 2>>`, `<<slice .GroupBySlice 0 1 1>>`, `<<slice (slice .GroupBySlice 0 1 1) 0 2>>`, `<<slice .GroupBySlice 0 1 9>>`, `<<slice .Series 0 1 1>>`,
	`<<slice .LabelValuesByName 1>>`, `<<slice 1>>`, `<<slice nil>>`, `<<slice>>`, `<<slice .Series "a">>`, `<<slice .Series nil>>`, `<<slice "é" 0 2>>`, `<<slice .Series 0 0>>x`, `<<slice .GroupBySlice 0 1 1 1>>`, `<<1 | slice .Series>>`,
	// Functions that we refuse.
	`<<html .Series>>`, `<<js .Series>>`, `<<urlquery .Series>>`, `<<call .Series>>`, `<<call>>`, `<<nosuch .Series>>`, `<<join .GroupBySlice ",">>`, `<<Print 1>>`,
	// Literals
	`<<"a">>`, "<<`a\\n`>>", "<<`a\nb`>>", "<<`a\r\nb`>>", `<<"a\n\t\\\"\x41\u00e9\U0001F600\101">>`, `<<"\'">>`, `<<'\''>>`, `<<'\"'>>`, `<<"\q">>`, `<<"\x4">>`, `<<"\400">>`, `<<"\uD800">>`, `<<"\xff">>`, `<<"\xc3\xa9">>`, "<<\"a\nb\">>", `<<"a>>`, "<<`a>>", `<<'a'>>`, `<<'ab'>>`, `<<''>>`, `<<'☃'>>`, `<<'\n'>>`, `<<'\x80'>>`, `<<'\u2603'>>`, `<<'a>>`,
	`<<0>>`, `<<-0>>`, `<<+5>>`, `<<-5>>`, `<<- 5>>`, `<<-5 ->>`, `<<007>>`, `<<010>>`, `<<089>>`, `<<0_8>>`, `<<08_9>>`, `<<0x1F>>`, `<<0XfF>>`, `<<0o17>>`, `<<0b101>>`, `<<0b12>>`, `<<0x>>`, `<<1_000>>`, `<<1__0>>`, `<<1_>>`, `<<_1>>`, `<<0x_1>>`, `<<0_1>>`, `<<9223372036854775807>>`, `<<9223372036854775808>>`, `<<-9223372036854775808>>`, `<<18446744073709551615>>`, `<<99999999999999999999>>`,
	`<<1.5>>`, `<<1.0>>`, `<<.5>>`, `<<1e3>>`, `<<1E3>>`, `<<0x1p4>>`, `<<0x1P-2>>`, `<<1i>>`, `<<1+2i>>`, `<<1.>>`, `<<1a>>`, `<<0xg>>`, `<<+>>`, `<<->>`, `<<+-1>>`, `<<--1>>`, `<<1-2>>`, `<<1,2>>`, `<<,>>`, `<<true false>>`, `<<nil>>`, `<<(nil)>>`, `<<truex>>`, `<<true1>>`, `<<0x1e5>>`, `<<1_0.0>>`, `<<1e>>`,
	// Delimiters, comments, trim markers
	"", "plain", "a >> b", "a > > b", "a < < b", "a <", "<<", ">>", "<<>>", "<< >>", "<<.Series>", "<<.Series> >", "<<<.Series>>", "<<.Series>>>", "<<.Series>><<.Series>>", "x <<- .Series>>", "<<.Series ->> x", "x <<-.Series>>", "<<.Series->> x", "x\n\t <<- .Series ->> \r\n y", "x\u00a0<<- .Series ->>\u00a0y",
	"x\u000b<<- .Series ->>\u000by", "a <<- \"b\" ->> c", "a <<-\n\"b\"\n->> c", "a <<- 1 ->> b", "a <<- -1 ->> b", "a <<-1>> b", "<<- ->>", "<</* c */>>", "a<</* c */>>b", "a <<- /* c */ ->> b", "a <<-/* c */->> b", "a <<- /* c */>> b", "a <</* c */ ->> b", "a <<- /* c */ >> b", "<< /* c */>>", "<</* c */ >>", "<</* c */ .Series>>", "<</* c >>", "<</* >> */>>x", "<</**/>>x", "<</*/>>x", "<</* /* */>>x",
	"<<.Series /* c */>>", "<<\n.Series\n>>", "<<\t.Series\r\n>>", "<<.Series\n|\nprint>>", "  <<- /* a */ ->>  <<- /* b */ ->>  ", "<<if true ->> x <<- end>>", "<<.Series ->>", "<<- .Series>>", "<<.Series -  >>", "<<.Series - >>", "<<.Series  ->>  x", "<<.Series\n->>  x", "<<-\t.Series>>",
	// What we refuse altogether.
	`<<define "x">>a<<end>>`, `<<define "x">>a<<end>>b`, `<<define "x">>a<<end>><<template "x">>`, `<<template "x">>`, `<<template "x" .>>`, `<<block "x" .>>a<<end>>`, `<<define>>`, `<<template>>`, `<<block>>`, `<<define x>>a<<end>>`,
	// Characters
	"<<é>>", "<<☃>>", "<<\u0000>>", "<<;>>", "<<@>>", "<<#>>", "<<.Series;>>", "<<.Series!>>", "<<[1]>>", "<<{.Series}>>", "<<.Series + 1>>", "<<.Series = 1>>", "<<.Series := 1>>", "<<:=>>", "<<=>>", "<<:>>", "<<?>>", "<<.Series\u00a0>>", "<<\\>>", "é<<.Series>>é", "<</>>", "<<*>>", "<<&>>",
	"<<if true>>é<<.Nope>><<end>>", "<<if false>><<.Nope>><<end>>x", "<<if false>><<index .GroupBySlice 99>><<end>>x", "<<if false>><<len 1>><<end>>x", "<<if .GroupBySlice>><<index .GroupBySlice 0>><<else>>none<<end>>",
	"<<range $i, $l := .GroupBySlice>><<if $i>>, <<end>><<$l>>=~\"<<index $.LabelValuesByName $l>>\"<<end>>", "<<range $k, $v := .LabelValuesByName>><<if ne $k \"namespace\">><<$k>>=\"<<$v>>\",<<end>><<end>>",
	"<<if eq .Series \"http_requests_total\">>rate<<else>>sum<<end>>(<<.Series>>)", "<<$ns := index .LabelValuesByName \"namespace\">>x{ns=\"<<$ns>>\"}", "<<.Series | printf \"%s{%s}\" >>", "<<printf \"%s{%s}\" .Series .LabelMatchers>>",
}

func templates(random *rand.Rand) (any, []vector) {
	var vectors []vector
	for _, text := range unique(handTemplates) {
		for scope := range scopes {
			vectors = append(vectors, templateCase(scope, text))
		}
	}
	alphabet := []string{" ", "|", "(", ")", ".", "$", "\"", "`", "<<", ">>", "-", " - ", "1", "x", ",", "=", ":=", "end", "else", "nil", "true", "\n", "'", "%", "\\", "/*", "*/"}
	generator := templateGenerator{random: random}
	var texts []string
	for len(texts) < 3200 {
		text := generator.template()
		if random.IntN(4) == 0 {
			text = mutate(random, text, alphabet)
		}
		if len(text) < 160 && !tooManyRounds(text) {
			texts = append(texts, text)
		}
	}
	for _, text := range unique(texts) {
		vectors = append(vectors, templateCase(random.IntN(len(scopes)), text))
	}
	return scopes, vectors
}

// tooManyRounds keeps mutated loops over huge numbers out.
func tooManyRounds(text string) bool {
	return strings.Contains(text, "range") && strings.Contains(text, "00")
}

// templateGenerator writes templates that mostly make sense.
type templateGenerator struct {
	random    *rand.Rand
	variables []string
}

func (g *templateGenerator) template() string {
	g.variables = nil
	var out strings.Builder
	for range 1 + g.random.IntN(3) {
		out.WriteString(g.statement(2))
	}
	return out.String()
}

func (g *templateGenerator) delim(inside string) string {
	left, right := "<<", ">>"
	switch g.random.IntN(8) {
	case 0:
		left = "<<- "
	case 1:
		right = " ->>"
	case 2:
		left, right = "<< ", " >>"
	}
	return left + inside + right
}

func (g *templateGenerator) statement(depth int) string {
	if depth == 0 || g.random.IntN(3) == 0 {
		return pick(g.random, []string{"sum(", ")", " by ", "\n", "x", "{", "}", " "}) + g.delim(g.pipeline(2))
	}
	outer := len(g.variables)
	defer func() { g.variables = g.variables[:outer] }()
	body := func() string {
		inner := len(g.variables)
		defer func() { g.variables = g.variables[:inner] }()
		return g.statement(depth - 1)
	}
	otherwise := func() string {
		switch g.random.IntN(4) {
		case 0:
			return g.delim("else") + body()
		case 1:
			return g.delim("else if "+g.pipeline(1)) + body()
		}
		return ""
	}
	switch g.random.IntN(6) {
	case 0:
		name := pick(g.random, []string{"$x", "$y"})
		declared := g.delim(name + " := " + g.pipeline(2))
		g.variables = append(g.variables, name)
		return declared + g.statement(depth-1) + g.delim(name)
	case 1:
		if len(g.variables) > 0 {
			name := pick(g.random, g.variables)
			return g.delim(name+" = "+g.pipeline(1)) + g.statement(depth-1)
		}
		return "<</* note */>>" + body()
	case 2:
		return g.delim("if "+g.pipeline(2)) + body() + otherwise() + g.delim("end")
	case 3:
		return g.delim("with "+g.pipeline(2)) + g.delim(pick(g.random, []string{".", "print .", "printf \"%v\" ."})) + body() + g.delim("end")
	case 4:
		head := pick(g.random, []string{"range ", "range $v := ", "range $k, $v := "})
		over := pick(g.random, []string{".GroupBySlice", ".LabelValuesByName", "3", "$.GroupBySlice", g.pipeline(1)})
		if strings.Contains(head, "$k") {
			g.variables = append(g.variables, "$k")
		}
		if strings.Contains(head, "$v") {
			g.variables = append(g.variables, "$v")
		}
		inside := body()
		if g.random.IntN(4) == 0 {
			inside += g.delim("if "+g.pipeline(1)) + g.delim(pick(g.random, []string{"break", "continue"})) + g.delim("end") + "z"
		}
		return g.delim(head+over) + inside + g.delim(".") + pick(g.random, []string{"", g.delim("else") + "none"}) + g.delim("end")
	default:
		return body() + body()
	}
}

func (g *templateGenerator) pipeline(depth int) string {
	command := g.command(depth)
	for g.random.IntN(4) == 0 {
		command += pick(g.random, []string{" | ", "|"}) + pick(g.random, []string{"print", "len", "printf \"%v\"", "printf \"%q\"", "not", "eq " + g.operand(0), "index " + g.operand(0), "and " + g.operand(0), "printf \"%5s|\""})
	}
	return command
}

func (g *templateGenerator) command(depth int) string {
	switch g.random.IntN(4) {
	case 0, 1:
		return g.operand(depth)
	}
	name := pick(g.random, []string{"index", "len", "eq", "ne", "lt", "le", "gt", "ge", "and", "or", "not", "print", "println", "printf", "slice"})
	switch name {
	case "len", "not":
		return name + " " + g.operand(depth)
	case "index":
		return name + " " + pick(g.random, []string{".LabelValuesByName \"pod\"", ".LabelValuesByName " + g.operand(depth), ".GroupBySlice 0", ".GroupBySlice " + g.operand(depth), ".Series 2", g.operand(depth) + " " + g.operand(depth)})
	case "slice":
		return name + " " + pick(g.random, []string{".Series", ".GroupBySlice", g.operand(depth)}) + pick(g.random, []string{"", " 1", " 0 1", " 1 2", " 0 1 2", " " + g.operand(depth)})
	case "printf":
		verb := "%" + pick(g.random, []string{"", "", "", "5", "-6", "05", "+", " ", ".2", "8.3", "-08"}) + pick(g.random, []string{"v", "v", "s", "q", "d", "t"})
		return name + " \"" + pick(g.random, []string{"", "a", "%% "}) + verb + "\" " + g.operand(depth)
	case "lt", "le", "gt", "ge", "ne":
		if g.random.IntN(2) == 0 {
			return fmt.Sprintf("%s %d (len %s)", name, g.random.IntN(6), pick(g.random, []string{".Series", ".GroupBySlice", ".LabelValuesByName", ".GroupBy"}))
		}
		return name + " " + g.operand(depth) + " " + g.operand(depth)
	}
	arguments := ""
	for range 1 + g.random.IntN(3) {
		arguments += " " + g.operand(depth)
	}
	return name + arguments
}

func (g *templateGenerator) operand(depth int) string {
	if depth > 0 && g.random.IntN(4) == 0 {
		return "(" + g.pipeline(depth-1) + ")" + pick(g.random, []string{"", "", "", ".pod"})
	}
	if len(g.variables) > 0 && g.random.IntN(3) == 0 {
		return pick(g.random, g.variables)
	}
	return pick(g.random, []string{
		".Series", ".GroupBy", ".GroupBySlice", ".LabelMatchers", ".LabelValuesByName", ".LabelValuesByName.pod", ".LabelValuesByName.none",
		"$.Series", "$.LabelValuesByName.namespace", "$.GroupBySlice", "\"pod\"", "\"\"", "\"a b\"", "`raw`", "0", "1", "2", "-1", "0x10", "'a'", "true", "false", "nil", ".",
	})
}
