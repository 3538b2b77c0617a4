"""Object storage for tests: moto's S3 on a port of its own, with one bucket and one key.

Requests have to be signed with that key. The first line on standard output is JSON with address,
bucket and key. Then each line of standard input is a command, answered with a line of JSON:

  list             names and lengths of all objects
  flip KEY         changes the last byte of an object
  cut KEY          takes the first byte of an object away
  remove KEY       removes an object

It ends when standard input does.
"""

import json
import logging
import sys

import boto3
import requests
from moto.server import ThreadedMotoServer

BUCKET = "odometer-tests"
REGION = "eu-central-1"


def begin(address):
    """Makes bucket and key, and has every later request checked."""
    place = {"endpoint_url": address, "region_name": REGION}
    anybody = {"aws_access_key_id": "anybody", "aws_secret_access_key": "anything", **place}
    boto3.client("s3", **anybody).create_bucket(
        Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    iam = boto3.client("iam", **anybody)
    iam.create_user(UserName="tests")
    allowed = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    policy = {"Version": "2012-10-17", "Statement": [allowed]}
    iam.put_user_policy(UserName="tests", PolicyName="s3", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName="tests")["AccessKey"]
    requests.post(f"{address}/moto-api/reset-auth", data=b"0", timeout=10).raise_for_status()
    key = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
    return key, boto3.client("s3", **key, **place)


def run(s3, command, *names):
    """Does what a line asks for."""
    if command == "list":
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        return {found["Key"]: found["Size"] for page in pages for found in page.get("Contents", [])}
    (name,) = names
    if command == "remove":
        s3.delete_object(Bucket=BUCKET, Key=name)
        return {}
    body = s3.get_object(Bucket=BUCKET, Key=name)["Body"].read()
    body = body[1:] if command == "cut" else body[:-1] + bytes([body[-1] ^ 1])
    s3.put_object(Bucket=BUCKET, Key=name, Body=body)
    return {}


def main():
    """Serves until nobody listens any more."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    address = "http://{}:{}".format(*server.get_host_and_port())
    key, s3 = begin(address)
    told = {
        "address": address,
        "bucket": BUCKET,
        "region": REGION,
        "key_id": key["aws_access_key_id"],
        "key": key["aws_secret_access_key"],
    }
    print(json.dumps(told), flush=True)
    for line in sys.stdin:
        print(json.dumps(run(s3, *line.split())), flush=True)
    server.stop()


main()
