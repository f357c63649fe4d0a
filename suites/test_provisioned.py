"""Provisioned concurrency: environments that are there before the first request, for versions and aliases only."""

import time

import pytest
from botocore.exceptions import ClientError
from functions import Function, package

CODE = "import os, uuid\nME = str(uuid.uuid4())\n\ndef handler(event, context):\n    return [ME, os.environ['AWS_LAMBDA_INITIALIZATION_TYPE'], context.function_version]\n"


def refused(code, text, action, **arguments):
    with pytest.raises(ClientError) as refusal:
        action(**arguments)
    assert refusal.value.response["Error"]["Code"] == code and text in str(refusal.value), refusal.value


def ready(lambda_, name, qualifier, count):
    for _ in range(300):
        config = lambda_.get_provisioned_concurrency_config(FunctionName=name, Qualifier=qualifier)
        if config["Status"] == "READY":
            assert config["AllocatedProvisionedConcurrentExecutions"] == count
            return
        time.sleep(0.1)
    raise AssertionError(config)


def test_environments_are_ready_before_the_first_request_and_follow_the_alias(server):
    function = Function(server, {"app.py": CODE})
    lambda_, name = function.lambda_, function.name
    lambda_.publish_version(FunctionName=name)
    lambda_.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    put = lambda_.put_provisioned_concurrency_config(FunctionName=name, Qualifier="live", ProvisionedConcurrentExecutions=2)
    assert put["RequestedProvisionedConcurrentExecutions"] == 2 and put["Status"] == "IN_PROGRESS"
    ready(lambda_, name, "live", 2)
    assert function.invoke(Qualifier="live")[1][1:] == ["provisioned-concurrency", "1"]
    assert function.invoke()[1][1:] == ["on-demand", "$LATEST"], "only the version has them"
    listed = lambda_.list_provisioned_concurrency_configs(FunctionName=name)["ProvisionedConcurrencyConfigs"]
    assert [item["FunctionArn"].split(":")[-1] for item in listed] == ["live"]
    lambda_.update_function_code(FunctionName=name, ZipFile=package({"app.py": CODE + "\n# two\n"}))
    lambda_.publish_version(FunctionName=name)
    lambda_.update_alias(FunctionName=name, Name="live", FunctionVersion="2")
    ready(lambda_, name, "live", 2)
    assert function.invoke(Qualifier="live")[1][1:] == ["provisioned-concurrency", "2"]
    lambda_.delete_provisioned_concurrency_config(FunctionName=name, Qualifier="live")
    refused("ProvisionedConcurrencyConfigNotFoundException", "No Provisioned", lambda_.get_provisioned_concurrency_config, FunctionName=name, Qualifier="live")


def test_an_alias_with_two_versions_divides_its_environments(server):
    function = Function(server, {"app.py": CODE})
    lambda_, name = function.lambda_, function.name
    lambda_.publish_version(FunctionName=name)
    lambda_.update_function_code(FunctionName=name, ZipFile=package({"app.py": CODE + "\n# two\n"}))
    lambda_.publish_version(FunctionName=name)
    lambda_.create_alias(
        FunctionName=name, Name="live", FunctionVersion="1", RoutingConfig={"AdditionalVersionWeights": {"2": 0.3}}
    )
    lambda_.put_provisioned_concurrency_config(FunctionName=name, Qualifier="live", ProvisionedConcurrentExecutions=3)
    ready(lambda_, name, "live", 3)
    for version in ("1", "2"):
        assert function.invoke(Qualifier=version)[1][1:] == ["provisioned-concurrency", version]


def test_what_cannot_be_provisioned_is_refused(server):
    function = Function(server, {"app.py": CODE})
    lambda_, name = function.lambda_, function.name
    put = lambda_.put_provisioned_concurrency_config
    refused("InvalidParameterValueException", "unpublished", put, FunctionName=name, Qualifier="$LATEST", ProvisionedConcurrentExecutions=1)
    refused("ResourceNotFoundException", "", put, FunctionName=name, Qualifier="7", ProvisionedConcurrentExecutions=1)
    lambda_.publish_version(FunctionName=name)
    refused("InvalidParameterValueException", "below its minimum value", put, FunctionName=name, Qualifier="1", ProvisionedConcurrentExecutions=901)
    lambda_.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=2)
    refused("InvalidParameterValueException", "should not be greater", put, FunctionName=name, Qualifier="1", ProvisionedConcurrentExecutions=3)
    put(FunctionName=name, Qualifier="1", ProvisionedConcurrentExecutions=2)
    refused("InvalidParameterValueException", "should not be lower", lambda_.put_function_concurrency, FunctionName=name, ReservedConcurrentExecutions=1)
    lambda_.delete_function(FunctionName=name)
    refused("ResourceNotFoundException", "", lambda_.get_provisioned_concurrency_config, FunctionName=name, Qualifier="1")
