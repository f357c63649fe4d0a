//! The language by example. The expected values are worked out from the user guide of Velocity 1.7, Java's documentation of
//! the methods and API Gateway's mapping template reference. `airspeed-ext` 0.6 (PyPI) agrees where it has the same
//! language; it differs in Java's spelling of lists and in most methods.

mod bombs;

use serde_json::json;

use super::*;

struct Given {
    path: BTreeMap<String, String>,
    query: BTreeMap<String, String>,
    headers: BTreeMap<String, String>,
    stage_variables: BTreeMap<String, String>,
    context: Map<String, Json>,
    overrides: Overrides,
}

fn given() -> Given {
    let map = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<BTreeMap<_, _>>()
    };
    let context = json!({"stage": "prod", "requestTimeEpoch": 1_700_000_000_000_i64,
        "identity": {"sourceIp": "203.0.113.7", "user": null},
        "authorizer": {"principalId": "p", "claims": {"sub": "s-1", "cognito:groups": "a,b"}}});
    Given {
        path: map(&[("id", "7")]),
        query: map(&[("q", "x"), ("id", "query"), ("n", "5")]),
        headers: map(&[("Content-Type", "text/plain"), ("x-one", "1")]),
        stage_variables: map(&[("color", "red")]),
        context: context.as_object().unwrap().clone(),
        overrides: Overrides::default(),
    }
}

fn run_with(given: &Given, text: &str, body: &str) -> Result<(String, Overrides), String> {
    let script = Script::parse(text).map_err(|error| error.to_string())?;
    let inputs = Inputs {
        body,
        path: &given.path,
        query: &given.query,
        headers: &given.headers,
        stage_variables: &given.stage_variables,
        context: &given.context,
        overrides: &given.overrides,
    };
    script.render(&inputs).map_err(|error| error.to_string())
}

fn run(text: &str, body: &str) -> Result<String, String> {
    run_with(&given(), text, body).map(|(text, _)| text)
}

fn rendered(text: &str) -> String {
    run(text, "").unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn check(table: &[(&str, &str)]) {
    for (text, expected) in table {
        assert_eq!(&rendered(text), expected, "{text}");
    }
}

#[test]
fn references_have_three_spellings_and_lead_on() {
    check(&[
        ("#set($a = 'x')$a ${a} $!a $!{a} ${!a}", "x x x x x"),
        ("#set($a = 'x')${a}b $a.", "xb x."),
        ("$none $!none|${none} $!{none}|", "$none |${none} |"),
        ("$none.a.b() $none[0] $!none.a", "$none.a.b() $none[0] "),
        ("#set($m = {'a': {'b': [1, 'x']}})$m.a.b[1] $m['a'].b.get(0) $m.a['b'][-1]", "x 1 x"),
        ("#set($m = {})#set($m.a = 1)#set($m['b c'] = 2)$m.a $m['b c'] $m", "1 2 {a=1, b c=2}"),
        ("#set($l = [1, 2])#set($l[1] = 5)$l #set($l[0] = 'z')$l", "[1, 5][z, 5]"),
        ("10 $ and $5 and #1 and a# and $$", "10 $ and $5 and #1 and a# and $$"),
        ("#set($a-b = 1)$a-b", "1"),
        ("#set($a = $none)[$a]", "[$a]"),
        ("$input.params('q').class.name", "$input.params('q').class.name"),
    ]);
}

#[test]
fn conditions_follow_velocity_one_seven() {
    check(&[
        ("#if(true)a#{else}b#end", "a"),
        ("#if($none)a#{else}b#end", "b"),
        ("#if('')a#{else}b#end#if(0)a#{else}b#end", "aa"),
        ("#if(!$none && 1 < 2)a#end", "a"),
        ("#if(false)a#elseif(1 == 1.0)b#elseif(true)c#{else}d#end", "b"),
        ("#if('a' == 'a' and not ('a' == 'b'))y#end", "y"),
        ("#if('1' == 1)y#end#if(1 != 2 || $none.x)y#end", "yy"),
        ("#if(2 gt 1 && 1 lt 2 && 1 le 1 && 1 ge 1 && 1 eq 1 && 1 ne 2)y#end", "y"),
        ("#if('a' < 'b')y#{else}n#end", "n"),
        ("#if($none == $none2)y#end#if($none != 'a')y#end", "yy"),
        ("#if( $input.params('q') == \"x\" ) y #end", " y "),
    ]);
}

#[test]
fn loops_know_their_place() {
    check(&[
        ("#foreach($i in [1..3])$i#if($foreach.hasNext),#end#end", "1,2,3"),
        (
            "#foreach($i in [3..1])$foreach.index:$foreach.count:$velocityCount $i;#end",
            "0:1:1 3;1:2:2 2;2:3:3 1;",
        ),
        ("#foreach($i in ['a', 'b'])#if($foreach.first)<#end$i#if($foreach.last)>#end#end", "<ab>"),
        ("#set($m = {'a': 1, 'b': 2})#foreach($k in $m.keySet())$k=$m.get($k);#end", "a=1;b=2;"),
        ("#set($m = {'a': 1, 'b': 2})#foreach($v in $m)$v#end", "12"),
        (
            "#set($m = {'a': 1})#foreach($e in $m.entrySet())$e.key $e.value $e.getKey() $e.getValue() $e#end",
            "a 1 a 1 a=1",
        ),
        ("#foreach($i in [1..5])#if($i == 3)#break#end$i#end.", "12."),
        (
            "#foreach($i in [1..2])#foreach($j in [1..2])$i$j$foreach.parent.index #end#end",
            "110 120 211 221 ",
        ),
        ("#set($i = 'x')#foreach($i in [1])$i#end$i", "1x"),
        ("#foreach($i in $none)x#end#foreach($i in 'text')x#end.", "."),
        ("a#stop b", "a"),
        ("#foreach($i in [1..3])$i#stop#end x", "1"),
    ]);
}

#[test]
fn arithmetic_keeps_whole_numbers_whole() {
    check(&[
        ("#set($a = 7 / 2)$a #set($a = 7 % 4)$a #set($a = -7 / 2)$a", "33-3"),
        ("#set($a = 7.0 / 2)$a #set($a = 1 + 2 * 3 - 4)$a #set($a = (1 + 2) * 3)$a", "3.539"),
        ("#set($a = 'x' + 1 + 2)$a #set($b = 1 + 2 + 'x')$b", "x123x"),
        ("#set($a = 1 / 0)[$a]#set($b = 1 + true)[$b]", "[$a][$b]"),
        ("#set($a = 1.0)$a #set($a = 1.5e10)$a #set($a = 0.0001)$a", "1.01.5E101.0E-4"),
    ]);
    assert!(run("#set($a = 9223372036854775807 + 1)", "").is_err());
}

#[test]
fn quotes_interpolate_or_do_not() {
    check(&[
        ("#set($a = 'x')#set($b = \"$a!\")#set($c = '$a!')$b $c", "x! $a!"),
        ("#set($b = \"say \"\"hi\"\" it's\")$b", "say \"hi\" it's"),
        ("#set($b = 'it''s \\')$b", "it's \\"),
        ("#set($b = \"#if(true)yes#end ${none}\")$b", "yes ${none}"),
        ("#set($b = \"#foreach($i in [1..3])$i#end\")$b", "123"),
    ]);
}

#[test]
fn macros_blocks_comments_and_escapes() {
    check(&[
        ("#macro(hi $who $n)hello $who$n;#end#hi('bob' 2)#hi(\"eve\", 3)", "hello bob2;hello eve3;"),
        ("#hi()#macro(hi $who)<$who>#end", "<$who>"),
        ("#macro(wrap $t)<$t>$bodyContent</$t>#end#@wrap('b')x#end", "<b>x</b>"),
        ("#macro(down $n)$n#if($n > 0)#set($m = $n - 1)#down($m)#end#end#down(3)", "3210"),
        ("#define($d)[$x]#end#set($x = 1)$d#set($x = 2)$d", "[1][2]"),
        ("a## comment\nb#* x\ny *#c", "ab c".replace(' ', "").as_str()),
        ("#[[ $a #if ]]#", " $a #if "),
        ("#set($a = 1)\\$a \\\\$a \\$none", "$a \\1 \\$none"),
        ("\\#if(true) \\#unknown #unknown(1) #@x", "#if(true) \\#unknown #unknown(1) #@x"),
        ("#{set}($a = 1)#{if}($a)${a}b#{end}", "1b"),
    ]);
    assert!(run("#macro(m)#m()#end#m()", "").unwrap_err().contains("macros call each other"));
    assert!(run("#define($d)$d#end$d", "").unwrap_err().contains("nested too deeply"));
}

#[test]
fn white_space_is_velocitys() {
    check(&[
        ("a\n  #set($x = 1)\nb", "a\nb"),
        ("#if(true)\nx\n#end\ny", "x\ny"),
        ("#foreach($i in [1..2])\n$i\n#end\nz", "1\n2\nz"),
        ("[#set($x = 1)  \n$x]", "[1]"),
    ]);
}

#[test]
fn methods_of_text() {
    check(&[
        (
            "#set($s = ' Abc-abc ')$s.length() $s.trim() $s.toUpperCase() $s.toLowerCase().trim()",
            "9 Abc-abc  ABC-ABC  abc-abc",
        ),
        (
            "#set($s = 'hello')$s.substring(1) $s.substring(1, 3) $s.charAt(0) $s.indexOf('l') $s.lastIndexOf('l') $s.indexOf('z')",
            "ello el h 2 3 -1",
        ),
        (
            "#set($s = 'hello')$s.contains('ell') $s.startsWith('he') $s.endsWith('x') $s.startsWith('l', 2) $s.indexOf('l', 3)",
            "true true false true 3",
        ),
        (
            "#set($s = 'a1b22')$s.replaceAll('[0-9]+', '<$0>') $s.replaceFirst('\\d', '-') $s.replace('b', '.') $s.matches('[a-z0-9]+') $s.matches('a')",
            "a<1>b<22> a-b22 a1.22 true false",
        ),
        (
            "#set($s = 'a,b,,c,,')$s.split(',').size() $s.split(',')[1] $s.split(',', 2)[1] $s.split(',')",
            "4 b b,,c,, [a, b, , c]",
        ),
        (
            "#set($s = 'x')$s.equals('x') $s.equals('X') $s.equalsIgnoreCase('X') $s.concat('y') $s.isEmpty() $s.equals(1) $s.hashCode()",
            "true false true xy false false 120",
        ),
        ("#set($s = 'é😀')$s.length() $s.substring(1, 3) $s.toString().toUpperCase()", "3 😀 É😀"),
        ("$util.escapeJavaScript(\"it's\").replaceAll(\"\\\\'\",\"'\")", "it's"),
        ("#set($s = 'x')$s.nothing() $s.getClass() $s.class", "$s.nothing() $s.getClass() $s.class"),
    ]);
    for bad in [
        "#set($s = 'abc')$s.substring(4)",
        "#set($s = 'abc')$s.substring(2, 1)",
        "#set($s = 'abc')$s.charAt(3)",
        "#set($s = 'abc')$s.replaceAll('(?=a)', '')",
        "#set($s = 'abc')$s.replaceAll('b', '$1')",
        "#set($s = 'abc')$s.matches('(')",
    ] {
        assert!(run(bad, "").is_err(), "{bad}");
    }
}

#[test]
fn methods_of_lists_maps_and_numbers() {
    check(&[
        (
            "#set($l = [])#set($x = $l.add('a'))$x $l.add('b') $l.size() $l.isEmpty() $l.contains('a') $l.indexOf('b') $l",
            "true true 2 false true 1 [a, b]",
        ),
        (
            "#set($l = [1, 2, 3])$l.remove(0) $l $l.get(0) $l.set(0, 9) $l #set($x = $l.addAll([4, 5]))$l $l.subList(1, 3)",
            "1 [2, 3] 2 2 [9, 3][9, 3, 4, 5] [3, 4]",
        ),
        (
            "#set($m = {'a': 1})$!m.put('b', 2)$m.size() $m.containsKey('b') $m.containsValue(2) $m.get('c') $m.getOrDefault('c', 3) $m.values() $m.remove('a') $m",
            "2 true true $m.get('c') 3 [1, 2] 1 {b=2}",
        ),
        (
            "#set($m = {})#set($x = $m.putAll({'k': 'v'}))$m $m.isEmpty() $m.empty $m.keySet()",
            "{k=v} false false [k]",
        ),
        (
            "#set($i = 0)$i.parseInt('42') #set($n = $i.parseInt('42') + 1)$n $i.toString() #set($f = 1.7)$f.intValue() $i.doubleValue() $i.compareTo(1)",
            "4243 01 0.0 -1",
        ),
        ("#set($b = true)$b.toString() $b.equals(true) $b.equals('true')", "true true false"),
        ("#set($a = [1])#set($b = $a)#set($x = $b.add(2))$a", "[1, 2]"),
    ]);
    for bad in [
        "#set($l = [1])$l.get(1)",
        "#set($l = [1])$l.get(-1)",
        "#set($l = [1])$l.remove(1)",
        "#set($l = [1])#set($l[1] = 2)",
        "#set($i = 0)$i.parseInt('x')",
    ] {
        assert!(run(bad, "").is_err(), "{bad}");
    }
}

#[test]
fn a_list_that_contains_itself_is_an_error_and_no_overflow() {
    for text in [
        "#set($l = [])#set($x = $l.add($l))$l",
        "#set($m = {})#set($x = $m.put('m', $m))$m",
        "#set($l = [1])#set($k = [1])#set($x = $l.add($k))#set($x = $k.add($l))#if($l == $k)y#end",
    ] {
        assert!(run(text, "").unwrap_err().contains("contains itself"), "{text}");
    }
}

#[test]
fn input_shows_body_and_parameters() {
    let body = r#"{"a": 1, "b": [{"c": 5, "d": null}, {"c": "x y"}], "e": {"f": "g", "h": 1.50}, "t": true, "n": null}"#;
    for (text, expected) in [
        ("$input.path('$.a') $input.path('$.b[0].c') $input.path('$.e').f $input.path('$.t')", "1 5 g true"),
        // AWS: arrays are JSON, objects are Java maps (recorded by others: `{a=1, b=[{"c":5}]}`).
        (
            "$input.path('$.b[*].c') $input.path('$.e') $input.path('$').b.size()",
            "[5,\"x y\"] {f=g, h=1.5} 2",
        ),
        (
            "$input.json('$.e') $input.json('$.b[1].c') $input.json('$.t') $input.json('$.n')",
            "{\"f\":\"g\",\"h\":1.5} \"x y\" true null",
        ),
        (
            "[$input.path('$.none')] $input.json('$.none') $input.path('a') $input.path('$.b.length()')",
            "[] \"\" 1 2",
        ),
        ("#foreach($i in $input.path('$.b'))$i.c;#end", "5;x y;"),
        ("#set($root = $input.path('$'))#if($root.e.f == 'g')$root.a#end #if($root.n)y#{else}n#end", "1 n"),
        ("#set($r = $input.path('$'))#set($r.a = 'new')$r.a $input.path('$.a')", "new 1"),
    ] {
        assert_eq!(run(text, body).unwrap(), expected, "{text}");
    }
    check(&[
        ("$input.body $input.json('$') $input.path('$').size()", "{} {} 0"),
        (
            "$input.params('id') $input.params('q') $input.params('CONTENT-type') [$input.params('none')]",
            "7 x text/plain []",
        ),
        (
            "$input.params().path.id $input.params().querystring.get('id') $input.params().header.get('content-type') $input.params().header.x-one",
            "7 query text/plain 1",
        ),
        ("#foreach($t in $input.params().keySet())$t #end", "path querystring header "),
        (
            "$input.params()",
            "{path={id=7}, querystring={id=query, n=5, q=x}, header={Content-Type=text/plain, x-one=1}}",
        ),
        ("#if($input.params('n') == 5)y#end#if($input.params('n') > 4)y#{else}n#end", "yn"),
    ]);
    // AWS: what is no JSON is one text.
    assert_eq!(
        run("$input.body|$input.json('$')|$input.path('$')", "a=b&c").unwrap(),
        "a=b&c|\"a=b&c\"|a=b&c"
    );
    assert!(run("$input.path('$[')", "{}").is_err());
}

#[test]
fn utilities_are_those_of_the_reference() {
    check(&[
        (
            "$util.escapeJavaScript('a\"b\\c/d')$util.escapeJavaScript(\"it's é😀\n\t\")",
            "a\\\"b\\\\c\\/dit\\'s \\u00E9\\uD83D\\uDE00\\n\\t",
        ),
        ("$util.urlEncode('x=a+b c/é*') $util.urlDecode('x=a+b%20%C3%A9')", "x%3Da%2Bb+c%2F%C3%A9* x=a b é"),
        ("$util.base64Encode('héllo') $util.base64Decode('aMOpbGxv')", "aMOpbGxv héllo"),
        (
            "#set($o = $util.parseJson('{\"k\":{\"arr\":[1,2,3]}}'))$o.k.arr[0] $o.k.arr $util.parseJson('\"s\"') $util.parseJson('1')",
            "1 [1,2,3] s 1",
        ),
        ("$util.nothing('x') $util.toJson('x')", "$util.nothing('x') $util.toJson('x')"),
    ]);
    for bad in ["$util.parseJson('{')", "$util.base64Decode('***')", "$util.urlDecode('%zz')"] {
        assert!(run(bad, "").is_err(), "{bad}");
    }
}

#[test]
fn context_and_stage_variables_are_maps() {
    check(&[
        (
            "$context.stage $context.identity.sourceIp [$context.identity.user] $context.none",
            "prod 203.0.113.7 [] $context.none",
        ),
        (
            "$context.requestTimeEpoch $context.authorizer.principalId $context.authorizer.claims.sub",
            "1700000000000 p s-1",
        ),
        // AWS: the claims alone are null.
        ("$context.authorizer.claims $context.authorizer.claims['cognito:groups']", "null a,b"),
        (
            "$stageVariables.color $stageVariables.get('color') $stageVariables.none",
            "red red $stageVariables.none",
        ),
        ("#foreach($k in $context.identity.keySet())$k;#end", "sourceIp;user;"),
    ]);
}

#[test]
fn overrides_are_set_once_and_handed_on() {
    let text = "#set($context.responseOverride.status = 202)#set($context.responseOverride.header.X-A = 'a')\
        #set($context.responseOverride.header['X-B'] = ['b', 'c'])$!context.responseOverride.header.put('X-C', 'c')\
        #set($context.requestOverride.path.body = $input.body)#set($context.requestOverride.header.h = 1)";
    let (out, overrides) = run_with(&given(), text, "[1]").unwrap();
    assert_eq!(out, "");
    assert_eq!(
        Json::Object(overrides.response.clone()),
        json!({"header": {"X-A": "a", "X-B": ["b", "c"], "X-C": "c"}, "status": 202})
    );
    let next = Given { overrides, ..given() };
    let (out, kept) =
        run_with(&next, "$context.requestOverride.path.body#set($context.responseOverride.status = 203)", "")
            .unwrap();
    assert_eq!(
        (out.as_str(), &kept.response["status"], &kept.response["header"]["X-A"]),
        ("[1]", &json!(203), &json!("a"))
    );
    let twice = "#set($context.responseOverride.status = 1)#set($context.responseOverride.status = 2)";
    assert!(run(twice, "").unwrap_err().contains("more than once"));
    let twice = "#foreach($i in [1..2])#set($context.responseOverride.header.a = $i)#end";
    assert!(run(twice, "").unwrap_err().contains("more than once"));
}

#[test]
fn what_does_not_parse_says_where() {
    for (text, place) in [
        ("#if(true)", "#if without #end at line 1, column 1"),
        ("a\n  #foreach($a in $b)\nx", "#foreach without #end at line 2, column 3"),
        ("#end", "#end, #else or #elseif without a directive that it ends at line 1, column 5"),
        ("#set($a = )", "expected a value at line 1, column 11"),
        ("#set($a 1)", "expected `=` at line 1, column 9"),
        ("#set(a = 1)", "expected a reference at line 1, column 6"),
        ("#set($a.b() = 1)", "the result of a method cannot be set at line 1, column 6"),
        ("é\n#if(1 ==)x#end", "expected a value at line 2, column 9"),
        ("${a", "a reference that begins with ${ must end with } at line 1, column 1"),
        ("$a.b(", "expected a value at line 1, column 6"),
        ("$a[1", "expected `]` at line 1, column 5"),
        ("#set($a = 'x)", "a string without end at line 1, column 11"),
        (
            "#set($a = \"${x\")",
            "in a string: a reference that begins with ${ must end with } at line 1, column 11",
        ),
        ("#foreach($a of $b)#end", "expected `in` at line 1, column 15"),
        ("#foreach($a in $b)#else#end", "#else or #elseif in #foreach at line 1, column 24"),
        ("#if(true)#else#else#end", "#else or #elseif after #else at line 1, column 20"),
        ("#* x", "#* without *# at line 1, column 1"),
        ("#[[ x", "#[[ without ]]# at line 1, column 1"),
        ("#parse('x')", "#parse is not available in mapping templates at line 1, column 1"),
        ("#evaluate($input.body)", "#evaluate is not available in mapping templates at line 1, column 1"),
        ("#set($a = 99999999999999999999)", "this number is too large at line 1, column 11"),
    ] {
        assert_eq!(Script::parse(text).unwrap_err().to_string(), place, "{text}");
    }
    assert!(Script::parse(&"x".repeat(TEMPLATE_BYTES_MAX)).is_ok());
    assert!(Script::parse(&"x".repeat(TEMPLATE_BYTES_MAX + 1)).is_err());
}
