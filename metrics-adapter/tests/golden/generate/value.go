package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"

	"github.com/prometheus/common/model"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/labels"
)

// quantities: [thousandths, decimal, binary] and [float as text, decimal].
func quantities(random *rand.Rand) (any, []vector) {
	numbers := []int64{0, 1, -1, 9, 10, 99, 100, 999, 1000, 1001, 1023, 1024, 1500, 10_500, 1_023_000, 1_024_000, -1_024_000, -1_023_000, 1_025_000, 1_024_001, 1_048_576_000, 1_048_577_000, 1_000_000_000, 999_999_999, 1_000_000_001, 1 << 40, (1 << 40) * 1000, math.MaxInt64, math.MinInt64, math.MaxInt64 - 807, math.MinInt64 + 808, 9_223_372_036_854_775_000, 8_000_000_000_000_000_000, 123_456_789_000}
	for range 800 {
		number := random.Int64() >> random.IntN(63)
		switch random.IntN(4) {
		case 0:
			number -= number % 1000
		case 1:
			number = number >> 20 * 1000
		case 2:
			number = (random.Int64() >> (13 + random.IntN(50)) << random.IntN(12)) * 1000
		}
		if random.IntN(3) == 0 {
			number = -number
		}
		numbers = append(numbers, number)
	}
	for exponent := range 19 {
		power := int64(math.Pow10(exponent))
		numbers = append(numbers, power, 5*power/2, power-1, power+1, -power, 9*power)
	}
	for shift := range 53 {
		numbers = append(numbers, (int64(1)<<shift)*1000, (int64(3)<<shift)*1000, -(int64(1)<<shift)*1000)
	}
	var vectors []vector
	for _, number := range numbers {
		decimal := resource.NewMilliQuantity(number, resource.DecimalSI)
		binary := resource.NewMilliQuantity(number, resource.BinarySI)
		vectors = append(vectors, []any{strconv.FormatInt(number, 10), decimal.String(), binary.String()})
	}
	floats := []float64{0, 0.5, 10, 10.5, 0.0009, -0.0009, 0.001, 0.0019999, 1e-300, 1e6, 1e15, 9.2e15, -9.2e15, 12345.678, 0.1 + 0.2, 1.0 / 3, math.Copysign(0, -1), 4.35, 1.005, 2.675, 9007199254740993, 0.29, 0.57, 1.15}
	for range 600 {
		floats = append(floats, math.Trunc(random.Float64()*1e6)/1e3, random.NormFloat64()*math.Pow10(random.IntN(15)-3))
	}
	for _, float := range floats {
		quantity := resource.NewMilliQuantity(int64(float*1000), resource.DecimalSI)
		vectors = append(vectors, []any{strconv.FormatFloat(float, 'g', -1, 64), quantity.String()})
	}
	return []string{}, vectors
}

var labelSets = []labels.Set{
	{},
	{"app": "web", "tier": "front", "n": "5"},
	{"app": "", "n": "-3", "example.com/zone": "b"},
	{"a": "b", "c": "d", "x": "10", "in": "notin", "n": "abc"},
	{"app": "db", "n": "9223372036854775807", "y": "z.w_v-u"},
}

// selectors: [text] for an error, else [text, canonical, whether each label set matches].
func selectors(random *rand.Rand) (any, []vector) {
	hand := []string{
		"", " ", ",", "a", "!a", "! a", "!!a", "a=", "a==", "a!=", "a=b", "a==b", "a!=b", "a = b", "a= b", "a =b", "a=b,c=d", "a=b, c=d", "a=b ,c=d", "a,b,c", "a,,b", ",a", "a,", "a b", "a=b c", "a in (b)", "a in (b,c)", "a in ()", "a in (,)", "a in (b,)", "a in (,b)", "a in (b,,c)", "a in(b)", "a in", "a in b", "a in (b", "a in b)", "a in (b c)", "a notin (b)", "a notin ()", "a not in (b)", "!a in (b)", "!a=b", "a>1", "a > 1", "a<1", "a>b", "a>", "a<", "a>1.5", "a>-1", "a>=1", "a<=1", "a>9223372036854775807", "a>9223372036854775808", "a>+1", "a>007", "a><1", "a>1,a<5", "n>4", "n<6", "n>4,n<6", "n>-5", "n<9223372036854775807",
		"in", "notin", "in in (in)", "notin notin (notin)", "in=in", "in,notin", "!in", "in in", "a=in", "a=notin", "a==in,b", "a in (in)", "example.com/zone=b", "example.com/=b", "/a=b", "a/b/c=d", "Example.com/a=b", "a_b.com/x=y", "a..b/x", "-a", "a-", "_a", "a_", ".a", "a.", "a.b", "a-b", "a_b", "A=B", "a=B", "a=-b", "a=b-", "a=b.c_d-e", "a=@", "a=b/c", "a='b'", "a=\"b\"", "é=b", "a=é", "a=b\n", "\ta\t", "a\n,b", "a\r=b", "a=b;c=d", "a=b&c=d", "a=*", "*", "a=b=c", "a==b==c", "a=!b", "a!b", "!", "!=", "!=b", "=", "==", "=b", "(", ")", "()", "(a)", "a(", "a)", "a=(b)", "a=b)", "a<b", "<", ">", "a=b>c", "a===b", "a=!=b", "a in (a=b)", "a in (b!c)", "a in ((b))", "a in (b)(c)", "a in (b) c", "a in (b),c notin (d)", "a,!a", "a=b,a=c", "a=b,a!=c", "b=1,a=1", "z,y,x", "a in (z,y,x)", "a in (b,b)", "app", "!app", "app=", "app!=", "tier=front", "app in (web,db)", "app notin (web,db)", "app,n", "app!=web,tier", "x=10,y", "\u00a0a", "a\u00a0", "a\u2003=b", "a\vb", "a\x00", "0=1", "a=1", "1.2.3=4",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "a=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "a=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.com/x",
	}
	tokens := []string{"a", "b", "app", "web", "n", "5", "x", "10", "in", "notin", "(", ")", ",", "=", "==", "!=", "!", ">", "<", " ", "tier", "example.com/zone", "-3", "", "z.w_v-u"}
	var texts []string
	texts = append(texts, hand...)
	for range 2200 {
		text := ""
		if random.IntN(2) == 0 {
			for i := range 1 + random.IntN(3) {
				if i > 0 {
					text += pick(random, []string{",", ", ", " , "})
				}
				key := pick(random, []string{"a", "app", "n", "tier", "x", "y", "example.com/zone", "in"})
				values := "(" + pick(random, []string{"web", "db", "5", "", "b"}) + pick(random, []string{"", ",d", ", 10", ",,", ",web"}) + ")"
				value := pick(random, []string{"web", "5", "-3", "10", "", "z.w_v-u", "db"})
				text += pick(random, []string{key, "!" + key, key + "=" + value, key + "==" + value, key + "!=" + value, key + " in " + values, key + " notin " + values, key + ">" + value, key + "<" + value})
			}
			if random.IntN(3) == 0 {
				text = mutate(random, text, tokens)
			}
		} else {
			for range 1 + random.IntN(7) {
				text += pick(random, tokens)
			}
		}
		texts = append(texts, text)
	}
	var vectors []vector
	for _, text := range unique(texts) {
		selector, err := labels.Parse(text)
		if err != nil {
			vectors = append(vectors, []any{text})
			continue
		}
		matches := ""
		for _, set := range labelSets {
			matches += map[bool]string{true: "1", false: "0"}[selector.Matches(set)]
		}
		vectors = append(vectors, []any{text, selector.String(), matches})
	}
	return labelSets, vectors
}

// durations: [text] for an error, else [text, nanoseconds].
func durations(random *rand.Rand) (any, []vector) {
	texts := []string{"", "0", "00", "0s", "0x", "1", "300", "1s", "1ms", "1us", "5us", "1ns", "1m", "1h", "1d", "1w", "1y", "1M", "1S", "1.5m", "-1m", "+1m", "1m ", " 1m", "1 m", "30m1h", "1h30m", "1m1m", "1h0m", "0h1m", "1y1w1d1h1m1s1ms", "1ms1s", "1s1ms", "292y", "293y", "300y", "106751d", "106752d", "9223372036854ms", "9223372036855ms", "9223372036s", "9223372037s", "99999999999999999999s", "18446744073709551615ms", "18446744073709551616ms", "m", "ms", "s1", "1m1", "1ms1", "1h1", "1µs", "1hm", "1mh", "01m", "1_0m", "1e3s", "0.5h", "1m;", "one", "null", "1w2d", "1d1w", "15250w", "15251w", "2540400h", "2562047h", "2562048h", "292y24w3d23h47m16s854ms", "292y24w3d23h47m16s855ms"}
	for range 500 {
		text := ""
		units := []string{"y", "w", "d", "h", "m", "s", "ms"}
		for _, unit := range units {
			if random.IntN(3) == 0 {
				text += strconv.Itoa(random.IntN(200)) + unit
			}
		}
		if random.IntN(3) == 0 {
			text = mutate(random, text, []string{"1", "0", "m", "s", "h", "d", " ", ".", "-", "us"})
		}
		texts = append(texts, text)
	}
	var vectors []vector
	for _, text := range unique(texts) {
		duration, err := model.ParseDuration(text)
		if err != nil {
			vectors = append(vectors, []any{text})
		} else {
			vectors = append(vectors, []any{text, fmt.Sprint(int64(duration))})
		}
	}
	return []string{}, vectors
}
