"""A small site that shows what the web server does with requests, sockets and errors: started by test_web_server.py."""
