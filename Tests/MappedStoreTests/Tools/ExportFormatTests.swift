import HTTP
import MappedStore
import StoreSupport
import Testing
import Values

/// The format of exports. Stores move to other versions with them, so members keep their names.
@Suite struct ExportFormatTests {
    private static let moment = Moment(
        wall: Timestamp(iso8601: "2026-11-29T12:00:00Z")!, steady: Timestamp(microseconds: 1_000_000_000_000))

    /// Lines of every kind, with every member. Optional members are present in one line and absent in another.
    /// Not among them: a webhook's own `retries`, which an import replaces by the policy `fixed`.
    private static let text = #"""
        {"kind": "postroom", "schema": \#(MappedStore.schemaVersion), "exportedAt": "2026-11-29T12:00:00Z"}
        {"kind": "counters", "created": 1, "creationRefused": 2, "collected": 3, "collectionRefused": 4, \#
        "received": 5, "receptionRefused": 6, "configured": 7, "configurationRefused": 8, "deleted": 9, \#
        "deletionRefused": 10}
        {"kind": "endpoint", "id": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "enabled": false, "subpaths": true, \#
        "created": "2026-11-29T11:00:00.000001Z", "lastUsed": "2026-11-29T12:00:00Z", "uncollected": 3, "next": 9, \#
        "waiting": 3}
        {"kind": "notification", "endpoint": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "id": 3, \#
        "receivedAt": "2026-11-29T11:30:00Z", "method": "POST", "remote": "192.0.2.1", "path": "/a", \#
        "query": "b=1", "headers": [{"name": "Host", "value": "h"}, {"nameBase64": "/w==", "valueBase64": "/v0="}], \#
        "secure": true, "calledHost": "h:8443", "calledPath": "/webhook/A", "fault": "unknown-coding", \#
        "status": 200, "answeredBy": "recipe:sns", "confirmation": "QxlXMWJ0gQA9LvcTnHZfy6Wj+iY/tCuWjJ4W0qkGm+s=", \#
        "body": "gr\u00f6\u00dfe\u0000\""}
        {"kind": "notification", "endpoint": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "id": 5, \#
        "receivedAt": "2026-11-29T11:31:00.500000Z", "method": "PUT", "pathBase64": "L/8=", "queryBase64": "/w==", \#
        "headers": [], "secure": false, "calledPathBase64": "L/8=", \#
        "deliveryBase64": "AAECAwQFBgcICQoLDA0ODw==", \#
        "coding": "gzip", "decodedBytes": 5, "fault": "incomplete-data", "status": 200, "answeredBy": "recipe:sns", \#
        "confirmation": "refused-url", "charset": "utf-8", "bodyBase64": "/wA="}
        {"kind": "notification", "endpoint": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "id": 8, \#
        "receivedAt": "2026-11-29T11:32:00Z", "method": "GET", "path": "", "headers": [], "status": 200, \#
        "answeredBy": "recipe:sns", "confirmation": "too-many", "charset": "latin1", \#
        "bodyBase64": "6Q=="}
        {"kind": "endpoint", "id": "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB", "enabled": true, "subpaths": false, \#
        "overflow": "drop-oldest", "cors": true, "pinned": true, "expires": "2026-11-30T12:00:00Z", "name": "n", \#
        "deliveryHeader": "X-Delivery", \#
        "confirmations": [{"url": "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=2", \#
        "state": "pending", "attempts": 0, "due": "2026-11-29T12:00:05Z", "at": "2026-11-29T11:59:01Z"}, \#
        {"url": "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=1", \#
        "state": "failed", "attempts": 6, "status": 503, "error": "e", "at": "2026-11-29T11:59:00Z"}], \#
        "forwards": ["https://one.test/", "http://two.test/a?b"], "nextForward": 7, "missedForwards": 3, \#
        "created": "2026-11-29T10:00:00Z", "lastUsed": "2026-11-29T12:00:00Z", "uncollected": 1, "next": 1}
        {"kind": "forwardContent", "endpoint": "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB", "id": 3, \#
        "receivedAt": "2026-11-29T11:30:00Z", "method": "POST", "path": "", "headers": [], "body": "sent"}
        {"kind": "forward", "endpoint": "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB", "id": 2, "notification": 4, \#
        "url": "http://gone.test/", "standing": false, "first": 2, "together": 1, \#
        "forwardedAt": "2026-11-29T11:40:00Z", "state": "delivered", "attempts": 1, "status": 204, \#
        "milliseconds": 12, "at": "2026-11-29T11:40:01Z", "response": "\u00e9"}
        {"kind": "forward", "endpoint": "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB", "id": 3, "notification": 5, \#
        "url": "https://one.test/", "standing": true, "first": 3, "together": 2, \#
        "forwardedAt": "2026-11-29T11:41:00Z", "state": "pending", "attempts": 1, "due": "2026-11-29T12:01:00Z", \#
        "errorKind": 1, "error": "no such host", "milliseconds": 3, "at": "2026-11-29T11:41:01Z", \#
        "responseBase64": "/w=="}
        {"kind": "forward", "endpoint": "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB", "id": 4, "notification": 5, \#
        "url": "http://two.test/a?b", "standing": true, "first": 3, "together": 2, \#
        "forwardedAt": "2026-11-29T11:41:00Z", "state": "pending", "attempts": 0, "due": "2026-11-29T11:41:00Z"}
        {"kind": "queue", "name": "a", "max_message_count": 3, "max_message_size": 20000, \#
        "max_queue_size": 1000000, "whitelist_ip": ["127.0.0.0/8", "::1/128"], "auth": null, "current_message": 7, \#
        "first": 3, "lost": 2}
        {"kind": "message", "queue": "a", "id": 3, "receivedAt": "2026-11-29T09:00:00Z", "body": "three"}
        {"kind": "message", "queue": "a", "id": 7, "receivedAt": "2026-11-29T09:00:01Z", "bodyBase64": "/wA="}
        {"kind": "queue", "name": "b", "max_message_count": 100, "max_message_size": 1, "max_queue_size": 2, \#
        "whitelist_ip": [], "auth": {"method": "hmac-sha256", "key": "k\u00e9y", "header_name": "X-Signature"}, \#
        "current_message": 0, "first": 1, "lost": 0}
        {"kind": "queue", "name": "c", "max_message_count": 100, "max_message_size": 1, "max_queue_size": 2, \#
        "whitelist_ip": [], "auth": {"method": "hmac-sha1", "keyBase64": "/w=="}, "current_message": 0, "first": 1, \#
        "lost": 0}
        {"kind": "queue", "name": "d", "max_message_count": 100, "max_message_size": 1, "max_queue_size": 2, \#
        "whitelist_ip": [], "auth": {"method": "hash-blake2s"}, "current_message": 0, "first": 1, "lost": 0}
        {"kind": "user", "name": "reader", "pass_hash": "plain;;secret", "can_reload": true, "queues": ["a", "c"]}
        {"kind": "client", "user": "reader", "name": "connected", "queue": "a", "cursor": 5}
        {"kind": "client", "user": "reader", "name": "cut", "queue": null, "cursor": 4}
        {"kind": "user", "name": "writer", "pass_hash": "plain;;other", "can_reload": false, "queues": []}
        {"kind": "seal", "sealedBase64": "Cf8="}
        {"kind": "environment", "id": "0b8f4c1e-6d2a-4e9b-b7a3-5c1d2e3f4a50", "keys": [{"id": "key-1", \#
        "algorithm": "ed25519", "publicKey": "-----BEGIN PUBLIC KEY-----\n1", "sealedPrivateKeyBase64": "AP8=", \#
        "created": "2026-11-01T00:00:00Z", "signsFrom": "2026-11-02T00:00:00Z"}, {"id": "key-2", \#
        "algorithm": "ed25519", "publicKey": "-----BEGIN PUBLIC KEY-----\n2", "sealedPrivateKeyBase64": "AP8=", \#
        "created": "2026-11-01T00:00:00Z", "signsFrom": "2026-11-03T00:00:00Z"}]}
        {"kind": "webhook", "id": "00000000-0000-4000-8000-000000000001", \#
        "environment": "0b8f4c1e-6d2a-4e9b-b7a3-5c1d2e3f4a50", "name": "n\u00e9", "description": "d\u0000", \#
        "events": ["job-created", "job-done"], "headerNames": ["X-A"], "created": "2026-11-02T00:00:00Z", \#
        "updated": "2026-11-03T00:00:00Z", "destination": {"url": "https://receiver.test/\u00e9", "method": "PUT", \#
        "contentType": "text/plain", "sealedHeadersBase64": "AP8=", "sealedSecretBase64": "AQID", \#
        "waitSeconds": [5.0, 0.1, 1e-07], "inFlight": 3, "rate": 2.5, "ordered": true, \#
        "disabledUntil": "9999-12-31T23:59:59Z", "disabledReason": "so", "disabledAt": "2026-11-29T11:59:00Z"}, \#
        "state": {"delivered": 1, "failedAttempts": 2, "givenUp": 3, "failuresInRow": 4, "openSeconds": 30.0, \#
        "failingSince": "2026-11-29T11:00:00Z", "givenUpSince": "2026-11-29T11:10:00Z", \#
        "opensAt": "2026-11-29T12:00:10Z", "gate": "2026-11-29T12:10:00Z", "lastTriggered": {"number": 1, \#
        "parcel": 1, "eventID": "e1", "event": "job-created", "count": 1, "trigger": "scheduled", "method": "POST", \#
        "url": "https://receiver.test/\u00e9", "triggeredAt": "2026-11-29T11:40:00Z", "durationMilliseconds": 12, \#
        "status": 200, "final": true, "requestHeaders": [{"name": "X-A", "value": "1"}], \#
        "responseHeaders": [{"name": "Date", "value": "x"}], "responseTruncated": false, "responseBody": "ok"}, \#
        "lastErrored": {"number": 2, "parcel": 2, "eventID": "e2", "event": "job-created", "count": 2, \#
        "trigger": "recover", "method": "POST", "url": "https://receiver.test/\u00e9", \#
        "triggeredAt": "2026-11-29T11:40:00Z", "durationMilliseconds": 12, "status": 503, "errorKind": "status", \#
        "error": "the receiver answered 503", "nextRetryAt": "2026-11-29T12:10:00Z", "final": false, \#
        "requestHeaders": [], "responseHeaders": [], "responseTruncated": true, "responseBodyBase64": "/wA=", \#
        "approval": {"status": 403, "body": "no"}}}}
        {"kind": "webhook", "id": "00000000-0000-4000-8000-000000000002", \#
        "environment": "0b8f4c1e-6d2a-4e9b-b7a3-5c1d2e3f4a50", "name": "plain", "events": ["job-created"], \#
        "headerNames": [], "created": "2026-11-02T00:00:00Z", "updated": "2026-11-02T00:00:00Z", \#
        "destination": {"url": "https://receiver.test/", "method": "POST", "contentType": "application/json", \#
        "retryPolicy": "fixed", "inFlight": 16, "ordered": false}, "state": {"delivered": 0, "failedAttempts": 0, \#
        "givenUp": 0, "failuresInRow": 0, "openSeconds": 5.0}}
        {"kind": "webhook", "id": "00000000-0000-4000-8000-000000000003", \#
        "environment": "0b8f4c1e-6d2a-4e9b-b7a3-5c1d2e3f4a50", "name": "plain", "events": ["job-created"], \#
        "headerNames": [], "created": "2026-11-02T00:00:00Z", "updated": "2026-11-02T00:00:00Z", \#
        "destination": {"url": "https://receiver.test/", "method": "POST", "contentType": "application/json", \#
        "retryPolicy": "standard", "inFlight": 16, "ordered": false}, "state": {"delivered": 0, \#
        "failedAttempts": 0, "givenUp": 0, "failuresInRow": 0, "openSeconds": 5.0}}
        {"kind": "subscription", "id": "00000000-0000-4000-8000-000000000011", "user": "\u00e9", \#
        "name": "gr\u00f6\u00dfe", "jsonpath": "$.a", "dialect": "rfc9535", "version": "v7", \#
        "sealedAuthBase64": "AP8=", "sealedTargetBase64": "AQ==", "target": "", "created": "1995-01-01T00:00:00Z", \#
        "updated": "2026-11-02T00:00:00Z", "destination": {"url": "https://receiver.test/", "method": "POST", \#
        "contentType": "application/json", "retryPolicy": "events", "inFlight": 16, "ordered": false, \#
        "protocol": "event", "approvalPath": "/events/%C3%A9", "consent": {"url": "http://receiver.test/", \#
        "rate": 15}, "shapeBase64": "AnsiYSI6IDF9"}, "state": {"delivered": 0, "failedAttempts": 0, "givenUp": 0, \#
        "failuresInRow": 0, "openSeconds": 5.0}, "missed": {"count": 3, "since": "2026-11-29T11:50:00Z"}}
        {"kind": "subscription", "id": "00000000-0000-4000-8000-000000000012", "user": "other", "name": "", \#
        "jsonpath": "$.b", "version": "v0.1", "target": "{}", "created": "2026-11-02T00:00:00Z", \#
        "updated": "2026-11-02T00:00:00Z", "destination": {"url": "https://receiver.test/", "method": "POST", \#
        "contentType": "application/json", "retryPolicy": "events", "inFlight": 16, "ordered": false, \#
        "protocol": "event", "consent": {}, "shapeBase64": "AHt9"}, "state": {"delivered": 0, "failedAttempts": 0, \#
        "givenUp": 0, "failuresInRow": 0, "openSeconds": 5.0}}
        {"kind": "deliveries", "nextParcel": 6, "nextLine": 4}
        {"kind": "parcel", "number": 1, "environment": "0b8f4c1e-6d2a-4e9b-b7a3-5c1d2e3f4a50", "eventID": "e1", \#
        "idempotencyKey": "key", "event": "job-created", "receivedAt": "2026-11-29T11:40:00Z", "deliveries": 2, \#
        "body": "{\"n\": 1}"}
        {"kind": "parcel", "number": 2, "environment": "0b8f4c1e-6d2a-4e9b-b7a3-5c1d2e3f4a50", "eventID": "e2", \#
        "event": "job-created", "receivedAt": "2026-11-29T11:40:01Z", "bodyBase64": "/w=="}
        {"kind": "parcel", "number": 3, "environment": "00000000-0000-0000-0000-000000000000", \#
        "eventID": "00000000-0000-4000-8000-000000000030", "event": "", "receivedAt": "2026-11-29T11:40:02Z", \#
        "routed": {"waiting": {"trigger": "manual", "dispatched": 0}}, "body": "{}"}
        {"kind": "parcel", "number": 4, "environment": "00000000-0000-0000-0000-000000000000", \#
        "eventID": "00000000-0000-4000-8000-000000000031", "event": "", "receivedAt": "2026-11-29T11:40:03Z", \#
        "routed": {"takenOver": true, "matched": ["00000000-0000-4000-8000-000000000011"]}, "body": "{}"}
        {"kind": "parcel", "number": 5, "environment": "00000000-0000-0000-0000-000000000000", \#
        "eventID": "00000000-0000-4000-8000-000000000032", "event": "", "receivedAt": "2026-11-29T11:40:04Z", \#
        "routed": {"matched": ["00000000-0000-4000-8000-000000000011", "00000000-0000-4000-8000-000000000012"], \#
        "waiting": {"trigger": "test", "dispatched": 1}}, "body": "{}"}
        {"kind": "delivery", "webhook": "00000000-0000-4000-8000-000000000001", \#
        "id": "00000000-0000-4000-8000-000000000021", "parcel": 2, "trigger": "recover", "repair": true, \#
        "attempts": 2, "due": "2026-11-29T12:10:00Z", "created": "2026-11-29T11:40:00Z"}
        {"kind": "delivery", "subscription": "00000000-0000-4000-8000-000000000011", \#
        "id": "00000000-0000-4000-8000-000000000022", "parcel": 4, "trigger": "scheduled", "attempts": 0, \#
        "due": "2026-11-29T12:00:05Z", "created": "2026-11-29T11:40:03Z"}
        {"kind": "attempt", "webhook": "00000000-0000-4000-8000-000000000001", "number": 1, "parcel": 1, \#
        "eventID": "e1", "event": "job-created", "count": 1, "trigger": "scheduled", "method": "POST", \#
        "url": "https://receiver.test/\u00e9", "triggeredAt": "2026-11-29T11:40:00Z", "durationMilliseconds": 12, \#
        "status": 200, "final": true, "requestHeaders": [{"name": "X-A", "value": "1"}], \#
        "responseHeaders": [{"name": "Date", "value": "x"}], "responseTruncated": false, "responseBody": "ok"}
        {"kind": "attempt", "webhook": "00000000-0000-4000-8000-000000000001", "number": 2, "parcel": 2, \#
        "eventID": "e2", "event": "job-created", "count": 2, "trigger": "recover", "method": "POST", \#
        "url": "https://receiver.test/\u00e9", "triggeredAt": "2026-11-29T11:40:00Z", "durationMilliseconds": 12, \#
        "status": 503, "errorKind": "status", "error": "the receiver answered 503", \#
        "nextRetryAt": "2026-11-29T12:10:00Z", "final": false, "requestHeaders": [], "responseHeaders": [], \#
        "responseTruncated": true, "responseBodyBase64": "/wA=", "approval": {"status": 403, "body": "no"}}
        {"kind": "attempt", "subscription": "00000000-0000-4000-8000-000000000011", "number": 3, "parcel": 4, \#
        "eventID": "00000000-0000-4000-8000-000000000031", "event": "", "count": 1, "trigger": "manual", \#
        "method": "POST", "url": "https://receiver.test/\u00e9", "triggeredAt": "2026-11-29T11:40:00Z", \#
        "durationMilliseconds": 12, "errorKind": "policy", "error": "no answer", "final": true, \#
        "requestHeaders": [], "responseHeaders": [], "responseTruncated": false, "responseBody": "", \#
        "approval": {"bodyBase64": "/w=="}}
        {"kind": "replay", "subscription": "00000000-0000-4000-8000-000000000011", "next": 1, "last": 4, \#
        "all": true}
        {"kind": "end", "counts": {"attempt": 3, "client": 2, "counters": 1, "deliveries": 1, "delivery": 2, \#
        "endpoint": 2, "environment": 1, "forward": 3, "forwardContent": 1, "message": 2, "notification": 3, \#
        "parcel": 5, "postroom": 1, "queue": 4, "replay": 1, "seal": 1, "subscription": 2, "user": 2, "webhook": 3}}
        """#

    private static let lines = text.split(separator: "\n").map(String.init)

    /// The export of a store that the lines were imported into.
    private func exported(importing lines: [String]) throws -> [String] {
        var exported: [String] = []
        try withImport(lines.map { Array($0.utf8) }, at: Self.moment) { store, _ in
            exported = try export(store, at: Self.moment).map { String(decoding: $0, as: UTF8.self) }
        }
        return exported
    }

    @Test func `an export keeps its members, their order and their form`() throws {
        let exported = try exported(importing: Self.lines)
        #expect(exported.count == Self.lines.count)
        for (line, before) in zip(exported, Self.lines) { #expect(line == before) }
    }

    /// A member would be lost if only the export had it, or if the two named it differently.
    @Test(arguments: Set(lines.dropFirst().map { $0.prefix { $0 != "," } }).sorted())
    func `an import reads every member of an export`(kind: Substring) throws {
        for (number, line) in Self.lines.enumerated() where line.hasPrefix(kind) {
            // A missing member may mean the same as an empty one.
            for member in line.matches(of: #/"\w+": (?!\[\]|null|"")/#).dropFirst() {
                var lines = Self.lines
                lines[number].replaceSubrange(member.range, with: #""other": "#)
                let isUnread = (try? exported(importing: lines)) == Self.lines
                #expect(!isUnread, "\(line[member.range])")
            }
        }
    }
}
