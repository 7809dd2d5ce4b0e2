"""The server of receiver.py: reads requests, logs them, and answers by the rules."""

import base64, collections, gzip, hashlib, io, json, os, socket, ssl, sys
import threading, time
from urllib.parse import parse_qs, unquote, urlsplit

from receiver_checks import Ed25519Check, HmacCheck, TimestampBodyCheck
from receiver_connection import Conn, Gone
from receiver_rules import check_rule, parse_query_rule, read_number, resolve

REASON = {200: "OK", 201: "Created", 202: "Accepted", 204: "No Content", 301: "Moved Permanently", 302: "Found",
          303: "See Other", 304: "Not Modified", 307: "Temporary Redirect", 308: "Permanent Redirect",
          400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 408: "Request Timeout",
          409: "Conflict", 410: "Gone", 413: "Content Too Large", 429: "Too Many Requests",
          500: "Internal Server Error", 502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout"}


class Receiver:
    def __init__(self, args):
        self.a = args
        self.rules = {}
        self.lock = threading.Lock()
        self.log_lock = threading.Lock()
        self.fd = os.open(args.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644) if args.log else None
        self.reset_counters()
        if args.rules:
            with open(args.rules) as f:
                self.add_rules(json.load(f))
        for item in args.rule:
            path, _, text = item.partition("=")
            self.add_rules({path: json.loads(text) if text.startswith("{") else parse_query_rule(text)})
        self.checks, self.path_checks = [], {}
        for s in args.verify:
            self.checks.append(HmacCheck(s, args.verify_lib))
        for s in args.verify_key:
            self.checks.append(Ed25519Check(s))
        for s in args.verify_timestamp_body:
            self.checks.append(TimestampBodyCheck(s, args.signature_header, args.timestamp_header))
        for item in args.verify_for:
            path, _, s = item.partition("=")
            self.path_checks.setdefault(path, []).append(
                Ed25519Check(s) if s.startswith("whpk_") else HmacCheck(s, args.verify_lib))
        self.tls = None
        if args.tls_cert:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(args.tls_cert, args.tls_key or args.tls_cert)
            if args.tls_client_ca:
                self.tls.load_verify_locations(args.tls_client_ca)
                self.tls.verify_mode = ssl.CERT_REQUIRED
        self.stop = threading.Event()

    def reset_counters(self):
        with self.lock:
            self.n = self.done = self.conns = self.bad = self.verify_ok = self.verify_bad = 0
            self.inflight, self.max_inflight = 0, 0
            self.by_path = collections.defaultdict(lambda: {"arrivals": 0, "inflight": 0, "max_inflight": 0})
            self.by_id = collections.Counter()
            self.seq_by_id = collections.Counter()
            self.by_status = collections.Counter()
            self.memory = collections.deque(maxlen=self.a.keep)

    def add_rules(self, rules):
        for path, rule in rules.items():
            self.rules[path] = check_rule(rule)

    def rule_for(self, path, query):
        best = self.rules.get(path)
        if best is None:
            prefixes = [k for k in self.rules if k.endswith("*") and path.startswith(k[:-1])]
            best = self.rules[max(prefixes, key=len)] if prefixes else {}
        if query:
            best = {**best, **check_rule(parse_query_rule(query))}
        return best

    def write_log(self, record):
        if self.fd is not None:
            line = (json.dumps(record, separators=(",", ":"), ensure_ascii=False) + "\n").encode("utf-8", "replace")
            with self.log_lock:
                os.write(self.fd, line)

    # ------------------------------------------------------------ one connection
    def serve(self, sock, peer):
        with self.lock:
            self.conns += 1
            conn_no = self.conns
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.tls:
                sock = self.tls.wrap_socket(sock, server_side=True)
            c = Conn(sock, self.a.idle_timeout)
            number = 0
            while not self.stop.is_set():
                number += 1
                if not self.one_request(c, peer, conn_no, number):
                    break
        except (Gone, ConnectionError, ssl.SSLError, socket.timeout, OSError):
            pass
        except Exception as e:  # a broken request must never end the receiver
            self.bad += 1
            print(f"receiver: {type(e).__name__}: {e}", file=sys.stderr, flush=True)
        finally:
            try:
                sock.close()
            except OSError:
                pass

    def one_request(self, c, peer, conn_no, conn_req):
        head = c.read_head()
        if head is None:
            return False
        t0, m0 = time.time(), time.monotonic()
        lines = head.decode("latin-1").split("\r\n")
        method, target, version = lines[0].split(" ", 2)
        pairs = []
        for line in lines[1:]:
            name, _, value = line.partition(":")
            pairs.append([name, value.strip(" \t")])
        h = {}
        for name, value in pairs:
            h[name.lower()] = value if name.lower() not in h else h[name.lower()] + ", " + value
        url = urlsplit(target)
        path, query = unquote(url.path), url.query
        if path.startswith("/__receiver/"):
            return self.control(c, method, path[len("/__receiver/"):], query, c.read_body(h))

        msg_id = h.get("webhook-id") or h.get("svix-id") or h.get(self.a.id_header.lower()) or ""
        base = self.rule_for(path, query)
        with self.lock:
            self.n += 1
            n = self.n
            p = self.by_path[path]
            p["arrivals"] += 1
            seq = p["arrivals"]
            p["inflight"] += 1
            p["max_inflight"] = max(p["max_inflight"], p["inflight"])
            self.inflight += 1
            self.max_inflight = max(self.max_inflight, self.inflight)
            id_seq = 0
            if msg_id:
                self.by_id[msg_id] += 1
                self.seq_by_id[(path, msg_id)] += 1
                id_seq = self.seq_by_id[(path, msg_id)]
            here, everywhere = p["inflight"], self.inflight
        step = resolve(base, (id_seq if base.get("per") == "id" and id_seq else seq) - 1)
        fault = step.get("fault") or ""
        status, sent, gone = 0, 0, None
        body = b""
        try:
            if fault != "reset_early":
                if h.get("expect", "").lower() == "100-continue":
                    c.send(b"HTTP/1.1 100 Continue\r\n\r\n")
                if step.get("read_delay"):
                    time.sleep(read_number(step["read_delay"]))
                body = c.read_body(h)
            verdicts = self.run_checks(path, body, h)
            self.record_arrival(n, t0, m0, method, path, query, pairs, body, msg_id, seq, id_seq, conn_no, conn_req,
                                everywhere, here, peer, verdicts, c)
            if verdicts and not any(v["ok"] for v in verdicts) and not self.a.soft_verify:
                step, fault = {"status": 401, "body": "signature check failed"}, ""
            status, sent = self.answer(c, step, fault, version, m0)
            keep = (fault == "" and step.get("keepalive", True) and h.get("connection", "").lower() != "close"
                    and version != "HTTP/1.0" and not step.get("endless"))
            return bool(keep)
        except (Gone, ConnectionError, ssl.SSLError, socket.timeout, OSError):
            gone = time.monotonic() - m0
            return False
        finally:
            with self.lock:
                self.inflight -= 1
                self.by_path[path]["inflight"] -= 1
                self.done += 1
                self.by_status[status or fault or "gone"] += 1
            if not self.a.terse:
                self.write_log({"ev": "done", "n": n, "t": time.time(), "dur": round(time.monotonic() - m0, 6),
                                "path": path, "id": msg_id, "status": status, "fault": fault,
                                "client_gone_after": round(gone, 6) if gone is not None else None, "sent": sent})

    def run_checks(self, path, body, h):
        checks = self.path_checks.get(path, self.checks)
        out = []
        for check in checks:
            try:
                check.check(body, h)
                out.append({"ok": True, "by": check.name})
            except Exception as e:
                out.append({"ok": False, "by": check.name, "error": f"{type(e).__name__}: {e}"})
        if out:
            with self.lock:
                if any(v["ok"] for v in out):
                    self.verify_ok += 1
                else:
                    self.verify_bad += 1
        return out

    def record_arrival(self, n, t, m, method, path, query, pairs, body, msg_id, seq, id_seq, conn_no, conn_req,
                       everywhere, here, peer, verdicts, c):
        small = {"n": n, "t": t, "path": path, "id": msg_id, "len": len(body), "conn": conn_no,
                 "seq": seq, "id_seq": id_seq, "ok": (any(v["ok"] for v in verdicts) if verdicts else None)}
        self.memory.append(small)
        if self.a.terse:
            return self.write_log(small)
        rec = {"ev": "arrival", "n": n, "t": t, "m": m, "read": round(time.monotonic() - m, 6), "method": method,
               "path": path, "query": query, "headers": pairs, "len": len(body),
               "sha256": hashlib.sha256(body).hexdigest(), "id": msg_id, "seq": seq, "id_seq": id_seq,
               "conn": conn_no, "conn_req": conn_req, "inflight": everywhere, "inflight_path": here,
               "peer": f"{peer[0]}:{peer[1]}", "verify": verdicts}
        if isinstance(c.s, ssl.SSLSocket):
            cert = c.s.getpeercert()
            rec["tls"] = {"version": c.s.version(), "client_subject": str(cert.get("subject")) if cert else None}
        if len(body) <= self.a.body_limit:
            try:
                rec["body"] = body.decode("utf-8")
            except UnicodeDecodeError:
                rec["body_b64"] = base64.b64encode(body).decode()
        self.write_log(rec)

    # ------------------------------------------------------------ answers
    def answer(self, c, step, fault, version, m0):
        limit = float(step.get("hang_max", 120))
        delay = read_number(step.get("delay"))
        if fault == "reset_early" or fault == "reset":
            c.wait(delay)
            c.reset()
            return 0, 0
        if fault == "close":
            c.wait(delay)
            return 0, 0
        if fault == "hang":
            c.wait(limit)
            return 0, 0
        if fault == "garbage":
            c.wait(delay)
            return 0, c.send(b"\x16\x03\x01 this is not an HTTP answer \xff\xfe\r\n\r\n")
        c.wait(delay)
        status = int(step.get("status", 200))
        headers = {"content-type": "text/plain", **{k.lower(): str(v) for k, v in (step.get("headers") or {}).items()}}
        if step.get("redirect"):
            headers["location"] = step["redirect"]
            status = status if 300 <= status < 400 else 302
        body = str(step.get("body", "")).encode()
        if step.get("body_bytes"):
            body = b"x" * int(step["body_bytes"])
        if step.get("gzip_bomb"):
            buf = io.BytesIO()
            with gzip.GzipFile(fileobj=buf, mode="wb", compresslevel=9) as z:
                left = int(step["gzip_bomb"])
                while left > 0:
                    z.write(bytes(min(left, 1 << 20)))
                    left -= 1 << 20
            body = buf.getvalue()
            headers["content-encoding"] = "gzip"
        drip = step.get("drip") or {}
        if drip and drip.get("where", "body") == "body":
            body = b"d" * int(drip["bytes"])
        if fault in ("reset_mid", "truncate") and len(body) < 2:
            body = b"y" * 4096
        if step.get("endless"):
            headers["transfer-encoding"] = "chunked"
        elif status not in (204, 304):
            headers["content-length"] = str(len(body))
        if not step.get("keepalive", True):
            headers["connection"] = "close"
        head = (f"HTTP/1.1 {status} {REASON.get(status, 'Status')}\r\n"
                + "".join(f"{k}: {v}\r\n" for k, v in headers.items()) + "\r\n").encode("latin-1")
        if fault == "half":
            sent = c.send(head.split(b"\r\n")[0] + b"\r\n")
            c.wait(limit)
            return status, sent
        if drip and drip.get("where") == "headers":
            return status, c.drip(head, int(drip.get("chunk", 1)), float(drip["interval"])) + c.send(body)
        sent = 0
        if fault in ("reset_mid", "truncate"):
            sent = c.send(head + body[:len(body) // 2])
            time.sleep(0.02)
            if fault == "reset_mid":
                c.reset()
            return status, sent
        if step.get("endless"):
            sent = c.send(head)
            chunk = b"1000\r\n" + b"e" * 4096 + b"\r\n"
            while time.monotonic() - m0 < limit and not self.stop.is_set():
                sent += c.send(chunk)
                c.wait(float(drip.get("interval", 0.01)) if drip else 0.01)
            return status, sent
        if drip:
            return status, c.send(head) + c.drip(body, int(drip.get("chunk", 1)), float(drip["interval"]))
        if status in (204, 304):
            body = b""
        return status, c.send(head + body)

    # ------------------------------------------------------------ control
    def control(self, c, method, what, query, body):
        q = {k: v[-1] for k, v in parse_qs(query).items()}
        code, out = 200, {"ok": True}
        if what == "stats" or what == "health":
            with self.lock:
                out = {"ok": True, "arrivals": self.n, "done": self.done, "inflight": self.inflight,
                       "max_inflight": self.max_inflight, "connections": self.conns, "bad": self.bad,
                       "unique_ids": len(self.by_id), "repeated_ids": sum(1 for v in self.by_id.values() if v > 1),
                       "verify_ok": self.verify_ok, "verify_bad": self.verify_bad,
                       "by_status": {str(k): v for k, v in self.by_status.items()},
                       "by_path": {k: dict(v) for k, v in list(self.by_path.items())[:2000]}}
        elif what == "arrivals":
            items = [r for r in list(self.memory) if r["n"] >= int(q.get("from", 0))
                     and q.get("path", r["path"]) == r["path"] and q.get("id", r["id"]) == r["id"]]
            out = items[:int(q.get("limit", 100000))]
        elif what == "rules" and method in ("POST", "PUT"):
            try:
                self.add_rules(json.loads(body))
            except Exception as e:
                code, out = 400, {"ok": False, "error": str(e)}
        elif what == "rules":
            out = self.rules
        elif what == "reset" and method == "POST":
            self.reset_counters()
        elif what == "shutdown" and method == "POST":
            self.stop.set()
        else:
            code, out = 404, {"ok": False}
        data = json.dumps(out).encode()
        c.send(f"HTTP/1.1 {code} {REASON[code]}\r\ncontent-type: application/json\r\ncontent-length: {len(data)}\r\n\r\n"
               .encode() + data)
        return not self.stop.is_set()
