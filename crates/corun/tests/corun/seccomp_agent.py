# A seccomp agent: serves one listener at the socket argv[1], writes what it was told to argv[2], answers mkdir with
# ENOMEDIUM and lets every other call go on. With argv[3] it ends as soon as it has been told.
import fcntl, os, select, socket, struct, sys

RECV, SEND = 0xC0502100, 0xC0182101
MKDIR, ENOMEDIUM, CONTINUE = 83, 123, 1

server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
server.listen(1)
print("ready", flush=True)
peer, _ = server.accept()
state, fds, _, _ = socket.recv_fds(peer, 65536, 4)
rest = peer.recv(65536)
with open(sys.argv[2], "wb") as out:
    out.write(state)
print(len(fds), len(rest), flush=True)
if len(sys.argv) > 3:
    sys.exit(0)
poll = select.poll()
poll.register(fds[0], select.POLLIN)
while not poll.poll()[0][1] & select.POLLHUP:
    request = bytearray(80)
    try:
        fcntl.ioctl(fds[0], RECV, request)
        number, = struct.unpack_from("Qii", request)[:1]
        call, = struct.unpack_from("i", request, 16)
        answer = (0, -ENOMEDIUM, 0) if call == MKDIR else (0, 0, CONTINUE)
        fcntl.ioctl(fds[0], SEND, bytearray(struct.pack("QqiI", number, *answer)))
    except FileNotFoundError:
        pass
