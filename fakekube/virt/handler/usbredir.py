"""The guest's end of USB redirection: it says hello, and takes whatever a client brings without a word. Pure.

Enough for clients to connect and to hold one of the guest's slots; devices are plugged into nothing.
Origin: usbredir: docs/usb-redirection-protocol.md, kubevirt: pkg/virt-handler/rest/console.go
"""

import struct

SLOTS = 4  # devices that clients may bring at a time
_VERSION = b"qemu usb-redir guest 9.1.0"
_CAPABILITIES = 0xFF
_BODY = struct.pack("<64sI", _VERSION, _CAPABILITIES)
HELLO = struct.pack("<III", 0, len(_BODY), 0) + _BODY  # type, length, id
