"""One Handler on a port: sockets, HTTP/1.1, TLS, websockets, shutdown. What a request means is the handler's business.

listening       the server itself: start, stop, and one request from its head to its answer
doors           who may come in
bodies          what a request brings, within limits
answers         what goes out
conversations   connections that are taken over
"""

from fakekube.server.answers import GZIP_FROM
from fakekube.server.bodies import BODY_LIMIT
from fakekube.server.listening import CannotListen, Server

__all__ = ["BODY_LIMIT", "GZIP_FROM", "CannotListen", "Server"]
