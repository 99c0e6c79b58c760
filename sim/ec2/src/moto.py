# Runs a moto server until whoever started this is gone: the end of its own standard input says so, also
# when a test was killed. The port is the system's choice, so that nobody else can have it.
import os
import sys

import moto
from moto.server import ThreadedMotoServer

wanted = sys.argv[1]
if moto.__version__ != wanted:
    sys.exit(f"this Python has moto {moto.__version__}, and {wanted} is wanted")
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
os._exit(0)
