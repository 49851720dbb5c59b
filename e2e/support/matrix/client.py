"""python3-socketio as a driver of the matrix: reads requests as lines of JSON, writes answers and what happens in the same way."""

import base64
import importlib.metadata
import json
import sys
import threading

import socketio

DOWN = ("down", "marked", "end")
QUESTION = "question"

lock = threading.Lock()
clients = {}


def to_line(value):
    if isinstance(value, (bytes, bytearray)):
        return {"$binary": base64.b64encode(value).decode()}
    if isinstance(value, (list, tuple)):
        return [to_line(item) for item in value]
    if isinstance(value, dict):
        return {key: to_line(item) for key, item in value.items()}
    return value


def from_line(value):
    if isinstance(value, list):
        return [from_line(item) for item in value]
    if isinstance(value, dict):
        if "$binary" in value:
            return base64.b64decode(value["$binary"])
        return {key: from_line(item) for key, item in value.items()}
    return value


def say(message):
    # Whole lines: the client library calls from threads of its own.
    with lock:
        print(json.dumps(to_line(message)), flush=True)


def follow(client, number, namespace):
    def tell(kind, **more):
        say({"connection": number, "namespace": namespace, "type": kind, **more})

    def add(name):
        client.on(name, lambda *args: tell("event", name=name, args=args), namespace=namespace)

    for name in DOWN:
        add(name)
    client.on(QUESTION, lambda *args: args, namespace=namespace)
    client.on("connect", lambda: tell("connect", socketId=client.get_sid(namespace)), namespace=namespace)
    client.on("connect_error", lambda *error: tell("refused", error=error[0] if error else None), namespace=namespace)
    client.on("disconnect", lambda: tell("disconnect"), namespace=namespace)


def connect(request):
    client = socketio.Client(
        reconnection=request["comesBack"], reconnection_delay=0.05, reconnection_delay_max=0.2, randomization_factor=0,
        handle_sigint=False,
    )
    clients[request["on"]] = client
    for namespace in request["namespaces"]:
        follow(client, request["on"], namespace)
    client.connect(request["url"], transports=request["transports"], namespaces=request["namespaces"], wait=False)


def ask(request):
    answered = threading.Event()
    answer = []

    def take(*args):
        answer.extend(args)
        answered.set()

    client = clients[request["on"]]
    client.emit(request["event"], tuple(request["args"]), namespace=request["namespace"], callback=take)
    if not answered.wait(15):
        raise TimeoutError("no answer came")
    return answer


def close(request):
    client = clients.pop(request["on"], None)
    if client:
        client.disconnect()


ACTIONS = {
    "version": lambda request: importlib.metadata.version("python-socketio"),
    "connect": connect,
    "carrier": lambda request: clients[request["on"]].transport(),
    "emit": lambda request: clients[request["on"]].emit(request["event"], tuple(request["args"]), namespace=request["namespace"]),
    "ask": ask,
    "drop": lambda request: clients[request["on"]].eio.disconnect(),
    "close": close,
}


def answer(request):
    try:
        say({"id": request["id"], "result": ACTIONS[request["do"]](request)})
    except Exception as error:  # whatever it was, whoever asked is to hear it
        say({"id": request["id"], "error": repr(error)})


def main():
    for line in sys.stdin:
        threading.Thread(target=answer, args=(from_line(json.loads(line)),), daemon=True).start()


main()
