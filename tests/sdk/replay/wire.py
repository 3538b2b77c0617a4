"""Requests as bytes on a connection, and what every client asks of every answer."""

import http.client
import json
from urllib.parse import urlsplit

TIMEOUT_S = 60


def same(actual, expected):
    if actual != expected:
        raise AssertionError(f"expected {expected!r}, got {actual!r}")


class Wire:
    """A client that sends exactly the headers it is told."""

    PREFIX = "/api/v1/"

    def __init__(self, url, key):
        self.host = urlsplit(url).netloc
        self.key = key

    def headers(self, body):
        raise NotImplementedError

    def send(self, method, path, body=None):
        """Status and parsed body; every answer has one, and says that it is JSON."""
        sent = None if body is None else json.dumps(body).encode()
        connection = http.client.HTTPConnection(self.host, timeout=TIMEOUT_S)
        connection.putrequest(method, self.PREFIX + path, skip_accept_encoding=True)
        for name, value in self.headers(sent).items():
            connection.putheader(name, value)
        connection.endheaders(sent)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        media = answer.headers["Content-Type"]
        assert media.split(";")[0] == "application/json", (method, path, media, text)
        return answer.status, json.loads(text)

    def ok(self, method, path, body=None):
        status, answer = self.send(method, path, body)
        # Any other success is an error for one client or another.
        assert status == 200, (method, path, status, answer)
        for name, value in answer.items():
            assert isinstance(value, (dict, list)), f"{name} at the top is no container: {answer}"
        return answer

    def refused(self, status, code, method, path, body=None, details=None):
        told, answer = self.send(method, path, body)
        same((told, answer["status"], answer.get("code")), (status, status, code))
        assert isinstance(answer["error"], str) and answer["error"], answer
        same(answer.get("error_details"), details)
        return answer
