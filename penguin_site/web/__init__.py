"""The web process: Daphne with what it lacks for us. `run.run(host, port)` is the entrance.

run.py             start and stop of the process
server.py          the server: what it listens on, its orderly end
requests.py        one HTTP request: early refusal of large bodies, errors in our envelope
sockets.py         one WebSocket: backpressure in both directions, close codes
backpressure.py    lets a sender wait for its reader
http_handler.py    Django's sync requests in one fixed thread pool, and requests that wait without holding a thread
error_responses.py errors that Django has not shaped
"""
