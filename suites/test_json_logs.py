"""Logs as JSON: what the platform writes, what functions write, and what is too little to be written."""

import json

import pytest
from botocore.exceptions import ClientError
from functions import Function, node_runtime
from test_extensions import LOGS, lines

PYTHON = '''
import logging, os

def handler(event, context):
    log = logging.getLogger("mine")
    log.debug("too little")
    log.info("said %s", "once", extra={"order": 7})
    try:
        1 / 0
    except ZeroDivisionError:
        log.exception("caught")
    print("plain")
    if event.get("fail"):
        raise ValueError("no")
    return [os.environ["AWS_LAMBDA_LOG_FORMAT"], os.environ.get("AWS_LAMBDA_LOG_LEVEL")]
'''

NODE = '''
exports.handler = async (event) => {
  console.debug('too little');
  console.log('said %s', 'once');
  console.warn({ order: 7 });
  console.error('failed', new TypeError('no'));
  return process.env.AWS_LAMBDA_LOG_LEVEL;
};
'''


def written(function, mention):
    return [json.loads(line) for line in lines(function, mention)]


def test_a_python_function_writes_json(server):
    function = Function(server, {"app.py": PYTHON}, statements=LOGS, LoggingConfig={"LogFormat": "JSON"})
    shown = function.lambda_.get_function_configuration(FunctionName=function.name)["LoggingConfig"]
    assert shown == {
        "LogFormat": "JSON", "ApplicationLogLevel": "INFO", "SystemLogLevel": "INFO", "LogGroup": f"/aws/lambda/{function.name}",
    }
    answer, told = function.invoke()
    assert told == ["JSON", "INFO"], told
    request = answer["ResponseMetadata"]["RequestId"]
    (said,) = written(function, "said once")
    assert said["level"] == "INFO" and said["logger"] == "mine" and said["order"] == 7 and said["requestId"] == request, said
    assert said["timestamp"].endswith("Z")
    (caught,) = written(function, '"caught"')
    assert caught["errorType"] == "ZeroDivisionError" and caught["stackTrace"] and ":handler:" in caught["location"], caught
    assert lines(function, "plain") == ["plain"]
    (start,) = written(function, "platform.start")
    assert start["record"]["requestId"] == request and start["record"]["version"] == "$LATEST", start
    (report,) = written(function, "platform.report")
    assert report["record"]["status"] == "success" and report["record"]["metrics"]["memorySizeMB"] == 128, report
    assert report["record"]["metrics"]["durationMs"] > 0 and report["record"]["metrics"]["initDurationMs"] > 0
    assert written(function, "platform.initStart")[0]["record"]["initializationType"] == "on-demand"
    function.invoke({"fail": 1})
    (failed,) = written(function, '"ValueError"')
    assert failed["errorMessage"] == "no" and failed["level"] == "ERROR" and failed["stackTrace"], failed
    everything = " ".join(lines(function, ""))
    assert "too little" not in everything and "START RequestId" not in everything and "runtimeDone\",\"record\":{\"status\":\"success" not in everything


def test_a_node_function_writes_json(server):
    function = Function(
        server, {"app.js": NODE}, runtime=node_runtime(server), statements=LOGS,
        LoggingConfig={"LogFormat": "JSON", "ApplicationLogLevel": "WARN", "SystemLogLevel": "WARN"},
    )
    answer, told = function.invoke()
    assert told == "WARN", told
    (error,) = written(function, '"TypeError"')
    assert error["errorMessage"] == "no" and error["message"].startswith("failed") and error["stackTrace"], error
    assert error["requestId"] == answer["ResponseMetadata"]["RequestId"]
    (warned,) = written(function, '"order"')
    assert warned["message"] == {"order": 7} and warned["level"] == "WARN"
    everything = " ".join(lines(function, ""))
    assert "said" not in everything and "platform." not in everything, everything


def test_levels_are_for_json_and_go_with_it(server):
    function = Function(server, {"app.py": PYTHON}, statements=LOGS)
    change = function.lambda_.update_function_configuration
    assert function.invoke()[1] == ["Text", None]
    with pytest.raises(ClientError) as refused:
        change(FunctionName=function.name, LoggingConfig={"ApplicationLogLevel": "DEBUG"})
    assert refused.value.response["Error"]["Code"] == "InvalidParameterValueException"
    change(FunctionName=function.name, LoggingConfig={"LogFormat": "JSON", "ApplicationLogLevel": "DEBUG"})
    assert function.invoke()[1] == ["JSON", "DEBUG"]
    assert written(function, "too little")[0]["level"] == "DEBUG"
    change(FunctionName=function.name, LoggingConfig={"LogFormat": "Text"})
    shown = function.lambda_.get_function_configuration(FunctionName=function.name)["LoggingConfig"]
    assert shown["LogFormat"] == "Text" and "ApplicationLogLevel" not in shown
