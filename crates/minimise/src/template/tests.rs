use std::{io::Write as _, process::Stdio};

use serde_json::json;

use super::*;

const NAME: &str = "app-Worker-1";

fn documents() -> Vec<Document> {
    let text = json!({ "Version": "2012-10-17", "Statement": [
        { "Sid": "Read", "Effect": "Allow", "Action": ["dynamodb:GetItem", "dynamodb:Query"],
          "Resource": ["arn:aws:dynamodb:us-east-1:123456789012:table/app-Notes-1/index/by", "*"],
          "Condition": { "Null": { "dynamodb:LeadingKeys": "false" },
                         "ForAllValues:StringEquals": { "dynamodb:LeadingKeys": "${aws:PrincipalTag/user}" } } },
        { "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/${aws:username}/\"x\\#: y" }
    ] });
    vec![Document::parse("p", &text.to_string()).unwrap()]
}

fn place() -> Place {
    Place {
        account: "123456789012".to_owned(),
        region: "us-east-1".to_owned(),
        partition: "aws".to_owned(),
        resources: [("app-Notes-1".to_owned(), "Notes".to_owned())].into(),
    }
}

fn edited(text: &str, id: &str) -> Result<String, String> {
    let target = Target { logical_id: id, name: NAME };
    rewrite(text, target, &documents(), &place()).map(|made| made.text).map_err(|why| why.to_string())
}

/// Applies a difference by the program that people use, and compares.
fn patched(old: &str, new: &str) {
    static FOLDERS: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let at = FOLDERS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("casemate-patch-{}-{at}", std::process::id()));
    std::fs::create_dir_all(folder.join("a b")).unwrap();
    let file = folder.join("a b/t.yaml");
    std::fs::write(&file, old).unwrap();
    let mut patch = std::process::Command::new("patch");
    patch
        .args(["-p1", "--fuzz=0", "--binary"])
        .current_dir(&folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null());
    let mut patch = patch.spawn().unwrap();
    patch.stdin.take().unwrap().write_all(unified("a b/t.yaml", old, new).as_bytes()).unwrap();
    assert!(patch.wait().unwrap().success());
    let result = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(result, new);
}

const YAML: &str = r"# What this is.
Resources:
  Notes: {Type: 'AWS::Serverless::SimpleTable'}   # short

  Worker:
    Type: AWS::IAM::Role
    Properties:
      Policies:   # wide
        # on purpose
        - PolicyName: p
          PolicyDocument: {Statement: [{Effect: Allow, Action: '*', Resource: !GetAtt Notes.Arn}]}
        - PolicyName: q
          PolicyDocument: !Sub |
            {}

      # This one stays.
      ManagedPolicyArns:
      - !Sub 'arn:${AWS::Partition}:iam::aws:policy/ReadOnlyAccess'
      RoleName: !Sub ${AWS::StackName}-x
  Hello:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: .
      Policies: AmazonS3FullAccess # one
      Handler: a.b
";

#[test]
fn the_policies_of_a_role_are_replaced_and_nothing_else() {
    let new = edited(YAML, "Worker").unwrap();
    let (head, _) = YAML.split_once("Policies:   # wide").unwrap();
    let (_, tail) = YAML.split_once("      RoleName").unwrap();
    let middle = new.strip_prefix(head).unwrap().strip_suffix(&format!("      RoleName{tail}")).unwrap();
    assert_eq!(
        middle,
        r#"Policies:
        - PolicyName: "p"
          PolicyDocument:
            Version: "2012-10-17"
            Statement:
              - Sid: "Read"
                Effect: "Allow"
                Action:
                  - "dynamodb:GetItem"
                  - "dynamodb:Query"
                Resource:
                  - !Sub "arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/${Notes}/index/by"
                  - "*"
                Condition:
                  "ForAllValues:StringEquals":
                    "dynamodb:LeadingKeys": "${aws:PrincipalTag/user}"
                  "Null":
                    "dynamodb:LeadingKeys": "false"
              - Effect: "Allow"
                Action: "s3:GetObject"
                Resource: !Sub "arn:${AWS::Partition}:s3:::b/${!aws:username}/\"x\\#: y"

      # This one stays.
      ManagedPolicyArns: []
"#
    );
    patched(YAML, &new);
    assert_eq!(edited(&new, "Worker").unwrap(), new, "a second time changes nothing");
}

#[test]
fn the_policies_of_a_function_are_replaced_or_added() {
    let new = edited(YAML, "HelloRole").unwrap();
    assert!(new.contains("      CodeUri: .\n      Policies:\n        - Version: \"2012-10-17\"\n"), "{new}");
    assert!(new.contains("      Handler: a.b\n") && !new.contains("AmazonS3FullAccess"), "{new}");
    patched(YAML, &new);
    assert_eq!(edited(YAML, "Hello").unwrap(), new, "by the function's name");
    let without = YAML.replace("      Policies: AmazonS3FullAccess # one\n", "");
    let new = edited(&without, "HelloRole").unwrap();
    assert!(new.contains("    Properties:\n      Policies:\n        - Version:"), "{new}");
    patched(&without, &new);
    let empty = YAML.replace("AmazonS3FullAccess # one", "");
    patched(&empty, &edited(&empty, "HelloRole").unwrap());
}

#[test]
fn every_way_of_ending_lines_and_files_is_kept() {
    for old in [YAML.replace('\n', "\r\n"), YAML.trim_end().to_owned(), format!("---\n{YAML}...\n")] {
        for id in ["Worker", "HelloRole"] {
            let new = edited(&old, id).unwrap();
            assert_eq!(new.contains("\r\n"), old.contains("\r\n"));
            assert_eq!(new.matches('\n').count() > new.matches("\r\n").count(), !old.contains("\r\n"));
            patched(&old, &new);
        }
    }
    let last = "Resources:\n  Hello:\n    Type: AWS::Serverless::Function\n    Properties:\n      Handler: ä\n      Policies: [x]";
    let new = edited(last, "HelloRole").unwrap();
    assert!(!new.ends_with('\n'));
    patched(last, &new);
}

#[test]
fn flow_style_and_json_are_edited_in_place() {
    let pretty = serde_json::to_string_pretty(&json!({ "Resources": {
        "Worker": { "Type": "AWS::IAM::Role", "Properties": {
            "Policies": [{ "PolicyName": "p", "PolicyDocument": { "Fn::Sub": "{}" } }],
            "ManagedPolicyArns": ["a", "b"], "Path": "/é/" } },
        "Hello": { "Type": "AWS::Serverless::Function", "Properties": { "Handler": "a.b" } },
    } }))
    .unwrap();
    let short = "Resources: {Worker: {Type: AWS::IAM::Role, Properties: {Policies: [!Ref X], Path: !Sub '/${Y}/'}}, \
                 Hello: {Type: AWS::Serverless::Function, Properties: {Handler: a.b}}}\n";
    for old in [pretty.as_str(), &serde_json::from_str::<Value>(&pretty).unwrap().to_string(), short] {
        for id in ["Worker", "HelloRole"] {
            let new = edited(old, id).unwrap();
            assert!(new.contains("Fn::Sub") && !new.contains("!Sub \""), "{new}");
            patched(old, &new);
            if old.starts_with('{') {
                let (before, mut after): (Value, Value) =
                    (serde_json::from_str(old).unwrap(), serde_json::from_str(&new).unwrap());
                let path = format!("/Resources/{}/Properties", id.trim_end_matches("Role"));
                let properties = after.pointer_mut(&path).unwrap();
                let statement = &properties["Policies"][0];
                let statement = statement.get("PolicyDocument").unwrap_or(statement);
                assert_eq!(statement["Statement"][0]["Sid"], "Read");
                for key in ["Policies", "ManagedPolicyArns"] {
                    match before.pointer(&path).unwrap().get(key) {
                        Some(value) => properties[key] = value.clone(),
                        None => drop(properties.as_object_mut().unwrap().shift_remove(key)),
                    }
                }
                assert_eq!(after, before);
            }
        }
    }
    assert!(edited(&pretty, "HelloRole").unwrap().contains("        \"Policies\": [\n          {\n"));
}

#[test]
fn what_cannot_be_edited_safely_is_refused_with_the_reason() {
    let function = |properties: &str| {
        format!("Resources:\n  Hello:\n    Type: AWS::Serverless::Function\n    Properties:{properties}\n")
    };
    let other = |kind: &str, roles: &str| {
        format!(
            "{YAML}  Other:\n    Type: AWS::IAM::{kind}\n    Properties: {{Roles: [{roles}], PolicyName: x}}\n"
        )
    };
    let elsewhere = "the role gets policies from Other";
    for (text, id, why) in [
        (YAML.to_owned(), "Nobody", "neither a role Nobody nor a function"),
        (YAML.to_owned(), "Notes", "neither a role Notes"),
        (YAML.to_owned(), "NotesRole", "neither a role NotesRole"),
        ("a: b".to_owned(), "Worker", "has no Resources"),
        ("a: [".to_owned(), "Worker", "cannot be read"),
        (String::new(), "Worker", "cannot be read"),
        (format!("{YAML}---\n{YAML}"), "Worker", "more than one document"),
        (function("\n      Role: x\n      Handler: y"), "HelloRole", "has a Role of its own"),
        (function(" {}"), "HelloRole", "cannot be edited safely"),
        (function(" !Foo {a: b}"), "HelloRole", "computed by a function"),
        (function("\n      Fn::Transform: x\n      Policies: y"), "HelloRole", "computed by a function"),
        (function("\n      <<: {Policies: y}\n      Handler: y"), "HelloRole", "computed by a function"),
        (function("\n      Policies: x\n      Policies: y"), "HelloRole", "key Policies twice"),
        (function("\n      Policies: !If [A, [x], [y]]"), "HelloRole", "depends on conditions"),
        (function("\n      Policies: [{Fn::If: [A, x, y]}]"), "HelloRole", "depends on conditions"),
        (function("\n      ? Policies\n      : x"), "HelloRole", "cannot be edited safely"),
        (function("\n      Policies: &p [x]\nOutputs: {A: {Value: *p}}"), "HelloRole", "has a YAML anchor"),
        (function("\n      Policies: [&p x]\nOutputs: {A: {Value: *p}}"), "HelloRole", "has a YAML anchor"),
        (function(" &p\n      Policies: [x]\nOutputs: {A: {Value: *p}}"), "HelloRole", "by a YAML alias"),
        (format!("P: &p {{Handler: x}}\n{}", function(" *p")), "HelloRole", "not written out as a map"),
        (other("Policy", "!Ref Worker"), "Worker", elsewhere),
        (other("ManagedPolicy", "{Ref: Worker}"), "Worker", elsewhere),
        (other("Policy", NAME), "Worker", elsewhere),
        (other("Policy", "!Sub '${AWS::StackName}-x'"), "Worker", elsewhere),
        (other("Policy", "{Fn::Sub: x}"), "Worker", elsewhere),
        (other("Policy", "!Ref Parameter"), "Worker", elsewhere),
        (other("Policy", "{Ref: Parameter}"), "Worker", elsewhere),
        ("[".repeat(80), "Worker", "nested too deeply"),
    ] {
        let refused = edited(&text, id).expect_err(&text);
        assert!(refused.contains(why), "{refused}\n{text}");
    }
    for (kind, roles) in [
        ("Policy", "!Ref Notes"),
        ("Policy", "{Ref: Hello}"),
        ("Group", "!Ref Worker"),
        ("Policy", "someone-else"),
    ] {
        assert!(edited(&other(kind, roles), "Worker").is_ok(), "{kind} {roles}");
    }
}

#[test]
fn an_alias_is_replaced_where_it_stands() {
    let old = "Resources:\n  A:\n    Type: AWS::Serverless::Function\n    Properties:\n      Policies: &p\n        - x\n      \
               Handler: a\n  B:\n    Type: AWS::Serverless::Function\n    Properties:\n      Policies: *p\n      Handler: b\n";
    let new = edited(old, "BRole").unwrap();
    assert!(new.contains("Policies: &p\n        - x\n") && !new.contains("*p"), "{new}");
    patched(old, &new);
    assert!(edited(old, "ARole").unwrap_err().contains("has a YAML anchor"));
    assert!(new.contains("table/app-Notes-1/index/by"), "this template has no resource of that name: {new}");
    let own = old.replace("Policies: *p", "Policies: y");
    patched(&own, &edited(&own, "ARole").unwrap());
}

#[test]
fn hunks_are_numbered_and_shared_as_patch_expects() {
    let old = (0..40).map(|n| format!("line {n}\n")).collect::<Vec<_>>().concat();
    for changed in [vec![0], vec![39], vec![3, 10], vec![3, 11, 20], (0..40).collect()] {
        let mut lines: Vec<String> = old.lines().map(|line| format!("{line}\n")).collect();
        for at in &changed {
            lines[*at] = format!("other {at}\nand more\n");
        }
        patched(&old, &lines.concat());
        patched(&lines.concat(), &old);
    }
    patched(&old, &format!("new\n{old}"));
    patched(&old, old.trim_end());
    patched(old.trim_end(), &old);
    let apart = old.replace("line 3\n", "x\n").replace("line 11\n", "y\n");
    assert_eq!(unified("f", &old, &apart).matches("@@ -").count(), 2);
    assert_eq!(unified("f", &old, &old), "");
}

#[test]
fn only_a_table_of_this_place_is_named_by_the_template() {
    let given = |arn: &str, template: &str| {
        let text = json!({ "Version": "2012-10-17", "Statement": [
            { "Effect": "Allow", "Action": "*", "Resource": arn } ] });
        let documents = [Document::parse("p", &text.to_string()).unwrap()];
        rewrite(template, Target { logical_id: "Worker", name: NAME }, &documents, &place()).unwrap().text
    };
    let table = "arn:aws:dynamodb:us-east-1:123456789012:table/app-Notes-1";
    assert!(given(table, YAML).contains(":table/${Notes}\""));
    assert!(given(&format!("{table}/stream/*"), YAML).contains(":table/${Notes}/stream/*\""));
    for other in [
        "arn:aws:s3:::app-Notes-1",
        "arn:aws:s3:::app-Notes-1/table/app-Notes-1",
        "arn:aws:sqs:us-east-1:123456789012:table/app-Notes-1",
        "arn:aws:dynamodb:eu-west-1:123456789012:table/app-Notes-1",
        "arn:aws:dynamodb:us-east-1:999999999999:table/app-Notes-1",
        "arn:aws:dynamodb:us-east-1:123456789012:table/other/index/app-Notes-1",
        "arn:aws:dynamodb:us-east-1:123456789012:table/app-Notes-12",
    ] {
        let new = given(other, YAML);
        assert!(new.contains("app-Notes-1") && !new.contains("${Notes}"), "{new}");
    }
    let another = YAML.replace("AWS::Serverless::SimpleTable", "AWS::SQS::Queue");
    assert!(given(table, &another).contains(":table/app-Notes-1\""), "it is a table no more");
}

#[test]
fn no_two_policies_of_a_role_get_one_name() {
    let named = |names: &[&str]| {
        let text = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}"#;
        let parsed = |name: &&str| Document::parse(name, text).unwrap();
        let documents: Vec<_> = names.iter().map(parsed).collect();
        rewrite(YAML, Target { logical_id: "Worker", name: NAME }, &documents, &place())
    };
    let new = named(&["p", "p-1", "arn:x/p", "P-2", "p"]).unwrap().text;
    let mut names: Vec<&str> =
        new.lines().filter_map(|line| line.trim().strip_prefix("- PolicyName: ")).collect();
    assert_eq!(names, [r#""p""#, r#""p-1""#, r#""p-2""#, r#""P-2-1""#, r#""p-3""#]);
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 5);
    let long = "n".repeat(128);
    assert!(named(&[&long]).is_ok());
    assert!(named(&[&long, &long]).unwrap_err().to_string().contains("too long"));
    assert!(named(&[&"n".repeat(129)]).is_err());
}

#[test]
fn where_policies_may_come_from_elsewhere_nothing_is_edited() {
    for other in [
        "  Other: *other\n",
        "  Other: {Type: *other, Properties: {}}\n",
        "  Other: {<<: *other}\n",
        "  <<: *other\n",
        "  Fn::ForEach::Others: [X, [a], {}]\n",
        "  Other: {Type: AWS::Serverless::Connector, Properties: {Source: {Id: Hello}}}\n",
        "  Other: {Type: AWS::Serverless::Function, Connectors: {Own: {Properties: {}}}}\n",
    ] {
        let text = format!("Other: &other {{Type: AWS::IAM::Policy}}\n{YAML}{other}");
        for id in ["Worker", "HelloRole"] {
            let refused = edited(&text, id).expect_err(&text);
            assert!(refused.contains("too cannot be told"), "{refused}\n{text}");
        }
    }
}

#[test]
fn it_is_told_whose_policies_they_are() {
    let shape =
        |id| rewrite(YAML, Target { logical_id: id, name: NAME }, &documents(), &place()).unwrap().shape;
    assert_eq!((shape("Worker"), shape("Hello")), (Shape::Role, Shape::Function));
}
