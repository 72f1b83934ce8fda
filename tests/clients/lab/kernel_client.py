"""Runs cells in a kernel of a real JupyterLab, through its HTTP API and websocket, as the browser does. Runs in the
environment `lab`:

    kernel_client.py URL TOKEN < STEPS      one JSON object of results per line

Steps, a JSON list: {"cell": "code"}, {"wait": SECONDS, "for": "text", "in": CELL}, {"restart": true}, {"interrupt": true}.
A cell's output is everything that belongs to it, also what comes after it has ended.
"""
import json
import sys
import time
import uuid

import requests
import websocket

url, token = sys.argv[1:3]
steps = json.load(sys.stdin)
http = requests.Session()
http.headers["Authorization"] = f"token {token}"
kernel = http.post(f"{url}/api/kernels", json={"name": "python3", "path": "sessions"}).json()
base = f"{url}/api/kernels/{kernel['id']}"
socket = websocket.create_connection(f"{base}/channels".replace("http", "ws", 1), timeout=30,
                                     header={"Authorization": f"token {token}"})
socket.settimeout(1)
cells = []          # of each: the message id, output, error, whether it has ended


def receive(until, timeout_s=90):
    end = time.monotonic() + timeout_s
    while not until():
        if time.monotonic() > end:
            return False
        try:
            message = json.loads(socket.recv())
        except websocket.WebSocketTimeoutException:
            continue
        cell = next((cell for cell in cells if cell["id"] == message["parent_header"].get("msg_id")), None)
        if cell is None:
            continue
        content, kind = message["content"], message["msg_type"]
        if kind == "stream":
            cell["output"] += content["text"]
        elif kind in ("execute_result", "display_data"):
            cell["output"] += content["data"].get("text/plain", "") + "\n"
        elif kind == "error":
            cell["error"] = f"{content['ename']}: {content['evalue']}"
        elif kind == "status" and content["execution_state"] == "idle":
            cell["ended"] = True
    return True


def run(code):
    cell = {"id": uuid.uuid4().hex, "output": "", "error": "", "ended": False}
    cells.append(cell)
    header = {"msg_id": cell["id"], "msg_type": "execute_request", "username": "", "session": kernel["id"],
              "date": "", "version": "5.3"}
    content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False,
               "stop_on_error": False}
    socket.send(json.dumps({"header": header, "parent_header": {}, "metadata": {}, "content": content,
                            "channel": "shell", "buffers": []}))
    return cell


for step in steps:
    if "cell" in step:
        cell = run(step["cell"])
        if not step.get("background"):
            receive(lambda: cell["ended"])
    elif "wait" in step:
        receive(lambda: step["for"] in cells[step["in"]]["output"], step["wait"])
    elif "restart" in step:
        http.post(f"{base}/restart")
    elif "interrupt" in step:
        http.post(f"{base}/interrupt")
        receive(lambda: all(cell["ended"] for cell in cells))
for cell in cells:
    print(json.dumps(cell))
if "--keep" not in sys.argv:
    http.delete(base)
