//! What a template may cost: texts that are nested too deeply, bombs, what is charged for what is read, and that no text makes
//! the interpreter panic.

use std::rc::Rc;

use super::{super::value::Value, *};

#[test]
fn texts_nested_too_deeply_are_refused_when_they_are_read() {
    for (open, repeated) in [
        ("", "#if(true)"),
        ("#set($a = ", "("),
        ("", "$a["),
        ("#set($a = ", "["),
        ("#set($a = ", "{1:"),
        ("", "$a.b("),
        ("", "#foreach($a in $b)"),
        ("", "#define($a)"),
        ("#macro(m)#end", "#@m()"),
        ("#set($a = ", "not "),
    ] {
        let text = format!("{open}{}", repeated.repeat((TEMPLATE_BYTES_MAX - open.len()) / repeated.len()));
        let error = Script::parse(&text).unwrap_err().to_string();
        assert!(error.contains("nesting deeper than"), "{repeated}: {error}");
    }
    let deep = format!("#set($a = {}1{})", "(".repeat(10_000), ")".repeat(10_000));
    assert!(Script::parse(&deep).unwrap_err().to_string().contains("nesting"));
    let deep = format!("#set($a = {}1)", "!".repeat(10_000));
    assert!(Script::parse(&deep).unwrap_err().to_string().contains("nesting"));
}

#[test]
fn long_is_not_deep() {
    let sum = format!("#set($a = 0{})$a", " + 1".repeat(50_000));
    assert_eq!(rendered(&sum), "50000");
    let steps = format!("#set($a = 'x')$a{}", ".toString()".repeat(20_000));
    assert_eq!(rendered(&steps), "x");
    let branches = format!("#if(false)a{}#end", "#elseif(false)b".repeat(15_000));
    assert_eq!(rendered(&branches), "");
}

#[test]
fn bombs_end_as_errors() {
    for (text, why) in [
        ("#foreach($a in [1..1000])#foreach($b in [1..1000])#foreach($c in [1..1000])#end#end#end", "steps"),
        ("#set($s = 'xxxxxxxx')#foreach($i in [1..100])#set($s = $s + $s)#end", "MB"),
        ("#set($s = 'xxxxxxxx')#foreach($i in [1..100])#set($s = \"$s$s\")#end", "MB"),
        ("#set($s = 'xxxxxxxx')#foreach($i in [1..100])#set($s = $s.replace('x', 'xx'))#end", "m"),
        ("#set($s = 'xxxxxxxx')#foreach($i in [1..100])#set($s = $s.replaceAll('x', 'xx'))#end", "m"),
        ("#set($s = 'xxxxxxxx')#foreach($i in [1..100])#set($s = $s.concat($s))#end", "MB"),
        ("#set($l = [1])#foreach($i in [1..100])#set($x = $l.addAll($l))#end", "m"),
        (
            "#set($s = 'x')#foreach($i in [1..22])#set($s = $s + $s)#end#set($l = [])#set($a = 'a')\
             #foreach($i in [1..1000])#set($x = $l.add($a.valueOf($s)))#end",
            "memory",
        ),
        (
            "#set($s = 'x')#foreach($i in [1..22])#set($s = $s + $s)#end#set($a = 'a')\
             #foreach($i in [1..1000])#foreach($j in [1..1000])#set($x = $a.equalsIgnoreCase($s))#end#end",
            "steps",
        ),
        ("#set($l = [1])#foreach($i in [1..100])#set($l = [$l, $l])#end$l", "steps"),
        ("#set($a = [1..100000000])", "range"),
        ("#set($s = 'a')#set($x = $s.matches('(((a{100}){100}){100}){100}'))", "pattern"),
        ("#foreach($a in [1..1000])#set($s = \"a$a\")#set($x = $s.matches(\"$a+\"))#end", "patterns"),
        ("#macro(a)#b()#b()#end#macro(b)#a()#a()#end#a()", "macros"),
    ] {
        let error = run(text, "").unwrap_err();
        assert!(error.contains(why), "{text}: {error}");
    }
    let long = format!("#set($l = [1])#foreach($i in [1..1000])#set($l = [$l])#end$l{}", "");
    assert!(run(&long, "").unwrap_err().contains("nested too deeply"));
    let text = "#foreach($i in [1..2000])x#end";
    assert_eq!(rendered(text).len(), FOREACH_MAX, "a loop ends after its rounds");
    let body = format!("[{}]", "[],".repeat(3 << 20));
    assert!(run("$input.path('$')", &body).unwrap_err().contains("memory"));
    let body = "x".repeat(1 << 20);
    assert_eq!(run("$input.body$input.body", &body).unwrap().len(), 2 << 20);
    assert!(run(&"$input.body".repeat(11), &body).unwrap_err().contains("MB"));
}

/// What a template costs, and what it comes to, where `$s` is this text.
fn cost(template: &str, text: &str) -> (u64, String) {
    let (given, script) = (given(), Script::parse(template).unwrap());
    let inputs = Inputs {
        body: "[1]",
        path: &given.path,
        query: &given.query,
        headers: &given.headers,
        stage_variables: &given.stage_variables,
        context: &given.context,
        overrides: &given.overrides,
    };
    let mut machine = Machine::new(&script, &inputs);
    machine.variables.insert("input".to_owned(), Value::Input);
    machine.variables.insert("s".to_owned(), Value::Text(Rc::from(text)));
    let mut out = String::new();
    machine.run(&script.nodes, &mut out).unwrap();
    (machine.heap.steps, out)
}

#[test]
fn a_long_text_is_charged_by_its_length_wherever_it_is_read() {
    const BYTES: usize = 1 << 20;
    let (letters, blanks) = ("x".repeat(BYTES), " ".repeat(BYTES));
    for (text, before, call) in [
        (&letters, "#set($l = [$s])#set($t = $s + 'y')", "$l.contains($t)"),
        (&letters, "", "$s.contains('z')"),
        (&letters, "", "$s.indexOf('z')"),
        (&letters, "", "$s.startsWith('z', 0)"),
        (&letters, "#set($a = 'a')", "$a.startsWith($s, 0)"),
        (&letters, "#set($a = 'a')", "$a.replace($s, 'b')"),
        (&blanks, "#set($a = 'a')#set($p = '(?x)' + $s)#set($x = $a.matches($p))", "$a.matches($p)"),
        (&letters, "#set($m = {})", "$m.containsKey($s)"),
        (&letters, "#set($m = {})", "$m[$s]"),
        (&letters, "#set($m = {})#set($m[$s] = 1)", "$m.put($s, 2)"),
        (&letters, "#set($m = {})#set($m[$s] = 1)", "$m.toString()"),
        (&letters, "", "$input.params($s)"),
        (&letters, "", "$s.replaceAll('z', '')"),
        (&letters, "", "$s.split('z')"),
        (&letters, "#set($p = \"$[?(@ == '$s')]\")", "$input.path($p)"),
    ] {
        let (without, _) = cost(&format!("{before}done"), text);
        let (with, out) = cost(&format!("{before}#set($x = {call})done"), text);
        assert_eq!(out, "done", "{call}");
        let least = u64::try_from(BYTES / TEXT_BYTES_A_STEP).unwrap();
        assert!(with - without >= least, "{call}: {} steps", with - without);
    }
}

#[test]
fn a_pattern_that_reads_the_rest_for_every_match_is_charged_for_it() {
    let (given, script) = (given(), Script::parse("").unwrap());
    let inputs = Inputs {
        body: "",
        path: &given.path,
        query: &given.query,
        headers: &given.headers,
        stage_variables: &given.stage_variables,
        context: &given.context,
        overrides: &given.overrides,
    };
    let arguments = |machine: &mut Machine<'_>, pattern: &str| {
        [pattern, "b"].map(|text| machine.heap.text(text).unwrap())
    };
    let text = "a".repeat(20_000);
    for (pattern, ends) in [(".*[^a]|[a]", false), ("a", true)] {
        let mut machine = Machine::new(&script, &inputs);
        machine.heap.charge(3_900_000).unwrap();
        let arguments = arguments(&mut machine, pattern);
        let result = machine.text_method(&text, "replaceAll", &arguments);
        assert_eq!(result.is_ok(), ends, "{pattern}");
    }
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config { cases: 2_000, ..Default::default() })]

    #[test]
    fn no_text_makes_it_panic(text in "[$#{}!().,'\"a-c0-2\\[\\]\\\\=+*/%<>&| \n]{0,60}", body in "[{}\\[\\]\",:a1]{0,12}") {
        let _ = run(&text, &body);
    }

    #[test]
    fn no_sequence_of_tokens_makes_it_panic(tokens in proptest::collection::vec(proptest::sample::select(TOKENS), 0..40)) {
        let text = tokens.concat();
        let first = run(&text, "{\"a\": [1, {\"b\": \"c\"}]}");
        proptest::prop_assert_eq!(&first, &run(&text, "{\"a\": [1, {\"b\": \"c\"}]}"), "the same inputs, the same result");
        proptest::prop_assert!(first.map_or(true, |out| out.len() <= OUTPUT_BYTES_MAX));
    }
}

const TOKENS: &[&str] = &[
    "#if(",
    "#elseif(",
    "#else",
    "#end",
    "#set(",
    "#foreach(",
    "#macro(",
    "#define(",
    "#stop",
    "#break",
    "#m(",
    "#@m(",
    "$a",
    "${a}",
    "$!b",
    "$i in ",
    "$foreach.hasNext",
    ".add(",
    ".get(",
    ".put(",
    ".size()",
    ".keySet()",
    ".substring(",
    ".split(",
    ".replaceAll(",
    "$input.path('$..*')",
    "$input.json('$.a[?(@.b)]')",
    "$input.params()",
    "$util.parseJson(",
    "$util.escapeJavaScript(",
    "$context",
    ".responseOverride",
    "[1..3]",
    "[",
    "]",
    "{",
    "}",
    "(",
    ")",
    ")",
    ")",
    ",",
    ":",
    "'x'",
    "\"$a\"",
    "1",
    "2.5",
    "true",
    " = ",
    " == ",
    " + ",
    " - ",
    " / ",
    " && ",
    " || ",
    "!",
    "\\",
    "\n",
    " ",
    "text",
    "##",
    "#*",
    "*#",
    "#[[",
    "]]#",
    "é",
];
