//! The transform on whole templates.

mod published;
mod sources;

use super::*;
use crate::intrinsic::settle_conditions;

fn expanded(text: &str) -> Result<Template, String> {
    let template = Template::parse(text).map_err(|error| error.to_string())?;
    let mut facts = Facts::default();
    for parameter in &template.parameters {
        let value = parameter.default.clone().unwrap_or_default();
        facts.names.insert(parameter.name.clone(), parameter.value(&value));
    }
    facts.conditions = settle_conditions(&template.conditions, &facts).map_err(|error| error.to_string())?;
    expand(template, &facts, "stack").map_err(|error| error.to_string())
}

fn listing(text: &str) -> String {
    let template = expanded(text).unwrap();
    let lines = template.resources.iter().map(|r| format!("{} {}", r.logical_id, r.kind));
    lines.collect::<Vec<_>>().join("\n")
}

fn properties(text: &str, id: &str) -> serde_json::Value {
    expanded(text).unwrap().resource(id).unwrap().properties.to_json()
}

const HELLO: &str = r"
Transform: AWS::Serverless-2016-10-31
Globals:
  Function: {Runtime: python3.13, Timeout: 5, Environment: {Variables: {TABLE: !Ref Table}}}
Resources:
  Hello:
    Type: AWS::Serverless::Function
    Properties:
      InlineCode: 'def handler(e, c): pass'
      Handler: index.handler
      Policies:
        - DynamoDBReadPolicy: {TableName: !Ref Table}
        - AWSLambdaBasicExecutionRole
        - Statement: [{Effect: Allow, Action: 'sts:GetCallerIdentity', Resource: '*'}]
      Events:
        Get: {Type: Api, Properties: {Path: '/hello/{name}', Method: get}}
  Table:
    Type: AWS::Serverless::SimpleTable
";

#[test]
fn an_implicit_api_gets_the_names_aws_gives() {
    let listing = listing(HELLO);
    let deployment = listing.lines().find(|line| line.contains("Deployment")).unwrap().to_owned();
    let hash = deployment.strip_prefix("ServerlessRestApiDeployment").unwrap().split(' ').next().unwrap();
    assert_eq!(hash.len(), 10);
    assert_eq!(
        listing.replace(hash, "HASH"),
        "HelloRole AWS::IAM::Role\n\
         Hello AWS::Lambda::Function\n\
         Table AWS::DynamoDB::Table\n\
         ServerlessRestApi AWS::ApiGateway::RestApi\n\
         ServerlessRestApiResourceHello AWS::ApiGateway::Resource\n\
         ServerlessRestApiResourceHelloNamea4bf69 AWS::ApiGateway::Resource\n\
         ServerlessRestApiMethodHelloNamea4bf69Get AWS::ApiGateway::Method\n\
         HelloGetPermissionProd AWS::Lambda::Permission\n\
         ServerlessRestApiProdStage AWS::ApiGateway::Stage\n\
         ServerlessRestApiDeploymentHASH AWS::ApiGateway::Deployment"
    );
}

#[test]
fn roles_hold_exactly_what_was_asked_for() {
    let role = properties(HELLO, "HelloRole");
    let policies = role["Policies"].as_array().unwrap();
    let names: Vec<&str> = policies.iter().map(|p| p["PolicyName"].as_str().unwrap()).collect();
    assert_eq!(names, ["AWSLambdaBasicExecutionRole", "HelloRolePolicy0", "HelloRolePolicy1"]);
    let logs = &policies[0]["PolicyDocument"]["Statement"][0]["Resource"][0]["Fn::Sub"];
    assert_eq!(
        logs,
        "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:/aws/lambda/stack-Hello-*"
    );
    let read = &policies[1]["PolicyDocument"]["Statement"][0];
    assert!(read["Action"].as_array().unwrap().contains(&"dynamodb:Query".into()));
    assert!(!read["Action"].to_string().contains("PutItem"));
    assert_eq!(role.get("ManagedPolicyArns"), None);
    let more = HELLO.replace("- AWSLambdaBasicExecutionRole", "- AWSLambdaVPCAccessExecutionRole");
    assert_eq!(
        properties(&more, "HelloRole")["ManagedPolicyArns"][0],
        "arn:aws:iam::aws:policy/service-role/AWSLambdaVPCAccessExecutionRole"
    );
}

#[test]
fn globals_reach_functions_and_permissions_name_the_route() {
    let function = properties(HELLO, "Hello");
    assert_eq!(function["Timeout"], 5);
    assert_eq!(function["Code"]["ZipFile"], "def handler(e, c): pass");
    assert_eq!(function["Role"]["Fn::GetAtt"][0], "HelloRole");
    let permission = properties(HELLO, "HelloGetPermissionProd");
    assert_eq!(
        permission["SourceArn"]["Fn::Sub"],
        "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${ServerlessRestApi}/*/GET/hello/*"
    );
}

const GUARDED: &str = r#"
Transform: AWS::Serverless-2016-10-31
Parameters: {Stage: {Type: String, Default: dev}}
Resources:
  Api:
    Type: AWS::Serverless::Api
    Properties:
      StageName: !Ref Stage
      Cors: {AllowOrigin: "'*'", AllowHeaders: "'Authorization'"}
      GatewayResponses:
        UNAUTHORIZED: {StatusCode: 401, ResponseParameters: {Headers: {X-A: "'b'"}}}
      Auth:
        DefaultAuthorizer: Users
        AddDefaultAuthorizerToCorsPreflight: false
        Authorizers:
          Users: {UserPoolArn: 'arn:aws:cognito-idp:us-east-1:123456789012:userpool/us-east-1_a'}
          Admins:
            FunctionArn: !GetAtt F.Arn
            FunctionPayloadType: REQUEST
            Identity: {Headers: [X-Key, X-Other], ReauthorizeEvery: 60}
  F:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: nodejs22.x
      Handler: index.handler
      CodeUri: casemate-package://aa
      Events:
        List: {Type: Api, Properties: {Path: /, Method: GET, RestApiId: !Ref Api}}
        Admin: {Type: Api, Properties: {Path: /admin, Method: any, RestApiId: !Ref Api, Auth: {Authorizer: Admins}}}
        Signed: {Type: Api, Properties: {Path: /signed, Method: post, RestApiId: !Ref Api, Auth: {Authorizer: AWS_IAM, InvokeRole: NONE}}}
        Open: {Type: Api, Properties: {Path: /open, Method: get, RestApiId: !Ref Api, Auth: {Authorizer: NONE}}}
"#;

#[test]
fn every_route_has_the_guard_it_names() {
    let method = |id: &str| properties(GUARDED, id);
    let root = method("ApiMethod8a5edaGet");
    assert_eq!(root["AuthorizationType"], "COGNITO_USER_POOLS");
    assert_eq!(root["AuthorizerId"]["Ref"], "ApiUsersAuthorizer");
    assert_eq!(root["ResourceId"]["Fn::GetAtt"][1], "RootResourceId");
    assert_eq!(method("ApiMethodAdminAny")["AuthorizationType"], "CUSTOM");
    let signed = method("ApiMethodSignedPost");
    assert_eq!(signed["AuthorizationType"], "AWS_IAM");
    assert_eq!(signed["Integration"].get("Credentials"), None);
    assert_eq!(method("ApiMethodOpenGet")["AuthorizationType"], "NONE");
    assert_eq!(method("ApiMethodOpenOptions")["AuthorizationType"], "NONE");
}

#[test]
fn authorizers_become_resources_with_permissions() {
    let admins = properties(GUARDED, "ApiAdminsAuthorizer");
    assert_eq!(admins["Type"], "REQUEST");
    assert_eq!(admins["IdentitySource"], "method.request.header.X-Key, method.request.header.X-Other");
    assert_eq!(admins["AuthorizerResultTtlInSeconds"], 60);
    let permission = properties(GUARDED, "ApiAdminsAuthorizerPermission");
    assert!(permission["SourceArn"]["Fn::Sub"].as_str().unwrap().ends_with("${Api}/authorizers/*"));
    assert_eq!(
        properties(GUARDED, "ApiUsersAuthorizer")["IdentitySource"],
        "method.request.header.Authorization"
    );
}

#[test]
fn preflights_answer_with_the_paths_methods() {
    let options = properties(GUARDED, "ApiMethodSignedOptions");
    let parameters = &options["Integration"]["IntegrationResponses"][0]["ResponseParameters"];
    assert_eq!(parameters["method.response.header.Access-Control-Allow-Methods"], "'OPTIONS,POST'");
    let any = properties(GUARDED, "ApiMethodAdminOptions");
    let parameters = &any["Integration"]["IntegrationResponses"][0]["ResponseParameters"];
    assert_eq!(
        parameters["method.response.header.Access-Control-Allow-Methods"],
        "'DELETE,GET,HEAD,OPTIONS,PATCH,POST,PUT'"
    );
    let response = properties(GUARDED, "ApiGatewayResponseUNAUTHORIZED");
    assert_eq!(response["ResponseParameters"]["gatewayresponse.header.X-A"], "'b'");
}

#[test]
fn a_changed_route_makes_another_deployment() {
    let id = |text: &str| {
        let template = expanded(text).unwrap();
        template.resources.iter().find(|r| r.kind.ends_with("Deployment")).unwrap().logical_id.clone()
    };
    assert_eq!(id(HELLO), id(HELLO));
    assert_ne!(id(HELLO), id(&HELLO.replace("Method: get", "Method: put")));
}

#[test]
fn what_cannot_be_expressed_is_refused_with_id_and_line() {
    let refused = |from: &str, to: &str| expanded(&HELLO.replace(from, to)).unwrap_err();
    assert_eq!(
        refused("      Handler: index.handler", "      FileSystemConfigs: []"),
        "Encountered unsupported property FileSystemConfigs of AWS::Serverless::Function (resource Hello, line 10)"
    );
    assert!(
        refused("Type: Api,", "Type: Schedule,")
            .contains("event Get: the type Schedule is not supported (resource Hello")
    );
    assert!(
        refused("DynamoDBReadPolicy", "DynamoDBReedPolicy")
            .contains("there is no policy template DynamoDBReedPolicy (resource Hello, line 12)")
    );
    assert!(
        refused("TableName: !Ref Table}\n        - AWS", "Table: x}\n        - AWS")
            .contains("unsupported property Table of DynamoDBReadPolicy")
    );
    assert!(
        refused("AWSLambdaBasicExecutionRole", "NoSuchAccess")
            .contains("NoSuchAccess is a policy that AWS manages")
    );
    assert!(
        refused("AWS::Serverless::SimpleTable", "AWS::Serverless::HttpApi")
            .contains("AWS::Serverless::HttpApi is not supported (resource Table")
    );
    assert!(refused("Transform: AWS::Serverless-2016-10-31\n", "").contains("needs the line \"Transform"));
    assert!(refused("Method: get", "Method: fetch").contains("there is no method FETCH"));
    assert!(refused("Method: get", "Method: get, RestApiId: x").contains("RestApiId must be a !Ref"));
    let guarded = GUARDED.replace("Authorizer: Admins", "Authorizer: Nobody");
    assert!(expanded(&guarded).unwrap_err().contains("the API has no authorizer called Nobody (resource F"));
    let twice = GUARDED.replace("Path: /open, Method: get", "Path: /, Method: get");
    assert!(
        expanded(&twice).unwrap_err().contains("API method \"get\" defined multiple times for path \"/\"")
    );
}
