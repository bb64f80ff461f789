#!/usr/bin/env bash
# A POST that also offers HTTP/2 (`Connection: Upgrade`, `Upgrade: h2c`), as `curl --http2`
# sends it to a plain address: uvicorn with httptools calls the application with an empty
# body, with h11 with the body that was sent. One would guess that the two parsers, which
# uvicorn chooses by what is installed, hand on the same request.
# Seen with uvicorn 0.54.0, httptools 0.9.0, h11 0.16.0.
set -euo pipefail
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
python3 -m venv "$room/venv"
"$room/venv/bin/pip" install -q --disable-pip-version-check \
  uvicorn==0.54.0 httptools==0.9.0 h11==0.16.0
"$room/venv/bin/python" - <<'PY'
import asyncio

import uvicorn

PICTURE = b"a picture"
OFFER = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
got = []


async def application(scope, receive, send):
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message["body"], message["more_body"]
    got.append(body)
    headers = [(b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


async def body_by(parser, offer):
    config = uvicorn.Config(
        application, http=parser, ws="none", lifespan="off", port=0, log_level="critical"
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: %d\r\n\r\n"
    writer.write(head % (offer, len(PICTURE)) + PICTURE)
    assert (await reader.readline()).split()[1] == b"200"
    writer.close()
    server.should_exit = True
    await task
    return got.pop()


for parser in ("h11", "httptools"):
    plain, offered = (asyncio.run(body_by(parser, one)) for one in (b"", OFFER))
    print(f"{parser}: body {plain}, with the offer of HTTP/2 {offered}")
    assert plain == PICTURE
    assert offered == (PICTURE if parser == "h11" else b"")
PY
