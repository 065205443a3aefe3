"""Ways out of a kernel, tried by generated-looking code in a real one.

``CODE`` runs in the kernel and prints ``{name: ""}`` for what stayed closed and
``{name: what happened}`` for what did not. It shares nothing with the probe.
"""

CODE = r"""
import ctypes, errno, json, mmap, os, resource, signal, socket, struct, subprocess, sys, threading
T = json.loads(TARGETS)
libc = ctypes.CDLL(None, use_errno=True)
found = {}
arm = os.uname().machine in ("aarch64", "arm64")

def attack(name):
    def run(function):
        try:
            found[name] = str(function() or "")
        except (OSError, subprocess.CalledProcessError, ValueError) as error:
            found[name] = ""
        except BaseException as error:
            found[name] = f"{type(error).__name__}: {error}"
    return run

def syscall(x86, aarch, *arguments):
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(aarch if arm else x86), *[ctypes.c_long(a) for a in arguments])
    if result == -1 and ctypes.get_errno() in (errno.EPERM, errno.EACCES, errno.ENOSYS):
        return ""
    return f"returned {result}, errno {ctypes.get_errno()}"

def leaks(path, needle="SECRET"):
    with open(path, "rb") as source:
        return f"read {path}" if needle.encode() in source.read() else ""

def shell(command):
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, timeout=60)
    return done.stdout if "SECRET" in done.stdout else ""

for index, path in enumerate(T["secrets"]):
    attack(f"read {os.path.basename(path)} {index}")(lambda path=path: leaks(path))
    attack(f"read by child {index}")(lambda path=path: shell(f"cat '{path}'"))
    attack(f"read through /proc/1/root {index}")(lambda path=path: leaks("/proc/1/root" + path))
    attack(f"read through server's root {index}")(lambda path=path: leaks(f"/proc/{T['server']}/root{path}"))
    attack(f"read through own root {index}")(lambda path=path: leaks("/proc/self/root" + path))

@attack("read through a link made here")
def _():
    link = os.path.join(OUTPUT_DIR, "link")
    os.symlink(T["secrets"][0], link)
    try:
        return leaks(link)
    finally:
        os.unlink(link)

@attack("read through a link in a granted folder")
def _():
    return leaks("data/out")

@attack("climb out of a granted folder")
def _():
    return leaks("data/../secret.csv")

@attack("hidden file of a granted folder")
def _():
    return leaks("data/.env") + leaks("data/server.pem")

@attack("hidden folder of a granted folder")
def _():
    return leaks("data/.git/config")

@attack("from an older thread")
def _():
    import concurrent.futures
    result = concurrent.futures.Future()
    loop = get_ipython().kernel.iopub_thread.io_loop
    def run():
        try: result.set_result(leaks(T["secrets"][0]))
        except BaseException as error: result.set_exception(error)
    loop.add_callback(run)
    return result.result(60)

@attack("every readable environment")
def _():
    for pid in [name for name in os.listdir("/proc") if name.isdigit()]:
        try:
            if leaks(f"/proc/{pid}/environ", T["marker"]): return f"process {pid}"
        except OSError: pass

@attack("descriptors and memory of the first process")
def _():
    # In a process namespace it is the sandbox's own; it must not be a way around the filter.
    with open("/proc/1/mem", "r+b", buffering=0): pass
    filtered = [line for line in open("/proc/1/status") if line.startswith("Seccomp:")]
    return "" if filtered and filtered[0].split()[1] == "2" else "unfiltered"

@attack("own environment")
def _():
    return T["marker"] if T["marker"] in str(dict(os.environ)) else ""

for place in T["unwritable"]:
    @attack(f"make a file in {place}")
    def _():
        with open(os.path.join(place, "made-by-kernel"), "w"): pass
        return "made"

for grant in ("cars.csv", "data/part.csv"):
    with open(T["scratch"], "w") as scratch:
        scratch.write("mine")
    attack(f"append to {grant}")(lambda: (open(grant, "a").close(), "opened")[1])
    attack(f"truncate {grant}")(lambda: (os.truncate(grant, 0), "done")[1])
    attack(f"unlink {grant}")(lambda: (os.unlink(grant), "done")[1])
    attack(f"rename {grant}")(lambda: (os.rename(grant, OUTPUT_DIR / "moved"), "done")[1])
    attack(f"replace {grant}")(lambda: (os.replace(T["scratch"], grant), "done")[1])

@attack("chmod a grant")
def _():
    # Landlock rules no metadata; only a read-only mount does.
    if T["mounts"]: os.chmod("cars.csv", 0o600); return "done"

@attack("hard link a grant and write")
def _():
    os.link("cars.csv", OUTPUT_DIR / "hard")
    with open(OUTPUT_DIR / "hard", "a") as target: target.write("x")
    return "written"

for family in (socket.AF_INET, socket.AF_INET6, 17, 38, 40, 31, 29):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW):
        attack(f"socket {int(family)} {int(kind)}")(lambda: (socket.socket(family, kind).close(), "made")[1])

@attack("netlink that is not routing")
def _():
    socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 9).close(); return "made"

@attack("tcp to the host")
def _():
    socket.create_connection(("127.0.0.1", T["port"]), 5).close(); return "connected"

@attack("named socket of the host")
def _():
    with socket.socket(socket.AF_UNIX) as s: s.connect(T["socket"]); return "connected"

@attack("named socket in a granted folder")
def _():
    with socket.socket(socket.AF_UNIX) as s: s.connect("data/live.sock"); return "connected"

@attack("abstract socket of the host")
def _():
    with socket.socket(socket.AF_UNIX) as s: s.connect("\0" + T["abstract"]); return "connected"

@attack("datagram to a named socket")
def _():
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s: s.sendto(b"x", T["datagram"]); return "sent"

@attack("datagram through a pair")
def _():
    one, two = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    one.sendto(b"x", T["datagram"]); return "sent"

@attack("signal the server")
def _():
    if T["mounts"]:
        # Another process namespace: this number, if it exists here at all, is not the server.
        if os.readlink("/proc/self/ns/pid") == T["pid_namespace"]: return "same namespace"
        return
    os.kill(T["server"], 0); return "allowed"

attack("ptrace the server")(lambda: syscall(101, 117, 0x4206, T["server"], 0, 0))
attack("read the server's memory")(lambda: syscall(310, 270, T["server"], 0, 0, 0, 0, 0))
attack("steal a descriptor")(lambda: syscall(438, 438, 0, 0, 0))
attack("unshare")(lambda: syscall(272, 97, 0x10000000))
attack("clone3")(lambda: syscall(435, 435, 0, 0))
attack("setns")(lambda: syscall(308, 268, 0, 0))
attack("mount")(lambda: syscall(165, 40, 0, 0, 0, 0, 0))
attack("umount")(lambda: syscall(166, 39, 0, 0))
attack("pivot_root")(lambda: syscall(155, 41, 0, 0))
attack("chroot")(lambda: syscall(161, 51, 0))
attack("open_tree")(lambda: syscall(428, 428, -1, 0, 0))
attack("io_uring")(lambda: syscall(425, 425, 1, 0))
attack("bpf")(lambda: syscall(321, 280, 0, 0, 0))
attack("perf")(lambda: syscall(298, 241, 0, 0, 0, 0, 0))
attack("userfaultfd")(lambda: syscall(323, 282, 0))
attack("keyctl")(lambda: syscall(250, 219, 6, -3, 0, 0, 0))
attack("module")(lambda: syscall(175, 105, 0, 0, 0))
attack("mq_open")(lambda: syscall(240, 180, 0, 0))
attack("memfd")(lambda: syscall(319, 279, 0, 0))
attack("prlimit of the server")(lambda: syscall(302, 261, T["server"], 7, 0, 0))
attack("TIOCSTI")(lambda: syscall(16, 29, 0, 0x5412, 0))
attack("mknod")(lambda: (os.mknod(OUTPUT_DIR / "disk", 0o060600, os.makedev(7, 0)), "made")[1])
attack("sysctl")(lambda: (open("/proc/sys/kernel/core_pattern", "w").close(), "opened")[1])
attack("kernel keys listed")(lambda: open("/proc/keys").read()[:40])
attack("kernel timers listed")(lambda: open("/proc/timer_list").read()[:40])
attack("slabs listed")(lambda: open("/proc/slabinfo").read()[:40])
attack("host temporary files")(lambda: str([n for n in os.listdir("/tmp") if n == T["tmp_name"]] or ""))
attack("host shared memory")(lambda: str([n for n in os.listdir("/dev/shm") if n == T["shm_name"]] or ""))
attack("become root by a program")(lambda: "SECRET" if os.system("su -c true </dev/null >/dev/null 2>&1") == 0 and os.getuid() else "")

if T["enclosed"]:
    # Where nothing encloses, these would do something.
    attack("clone into a namespace")(lambda: syscall(56, 220, 0x10000000 | 17, 0, 0, 0, 0))
    attack("kexec")(lambda: syscall(246, 104, 0, 0, 0, 0))
    attack("shmget")(lambda: syscall(29, 194, 0, 4096, 0o1600))
    attack("msgget")(lambda: syscall(68, 186, 0, 0o1600))
    attack("setpriority of all")(lambda: syscall(141, 140, 2, 0, 0))

for limit in ("RLIMIT_DATA", "RLIMIT_NOFILE", "RLIMIT_FSIZE", "RLIMIT_CORE"):
    @attack(f"raise {limit}")
    def _():
        soft, hard = resource.getrlimit(getattr(resource, limit))
        resource.setrlimit(getattr(resource, limit), (soft + 1, hard + 1)); return "raised"

@attack("int 0x80")
def _():
    if arm or not T["foreign"]: return ""
    code = bytes.fromhex("53b814000000cd805bc3")
    with mmap.mmap(-1, 4096, prot=7) as page:
        page.write(code)
        holder = ctypes.c_char.from_buffer(page)
        got = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(holder))()
        del holder
    return f"returned {got}" if got > 0 else ""

attack("x32")(lambda: "" if arm else syscall(0x40000000 + 39, 0))

@attack("the connection file")
def _():
    for folder, _names, files in os.walk(os.path.dirname(os.path.dirname(T["runtime"]))):
        if "k.json" in files: return leaks(os.path.join(folder, "k.json"), "key")

print(json.dumps(found))
"""
