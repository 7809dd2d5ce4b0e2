import HTTPTypes

@testable import Capture
@testable import Encodings
@testable import HTTP
@testable import JSON
@testable import Values

/// A body of any coding and charset is refused, or is stored within the limit and written as JSON.
func fuzzNotification(_ bytes: [UInt8]) {
    let part = parts(bytes, 3)
    var fields = FieldList()
    let codings = ["", "gzip", "deflate", "GZIP", "identity", "br"]
    fields.append(name: "Content-Type".utf8, value: part[0])
    fields.append(name: "Content-Encoding".utf8, value: codings[Int(part[1].first ?? 0) % codings.count].utf8)
    fields.append(name: part[1], value: part[1])
    let body = Array(part[2])
    let target = Target(raw: Array("/webhook/x/y?z".utf8)[...], mountPoint: [])
    let request = Request(method: .post, target: target, fields: fields, body: .whole(body), remoteAddress: "127.0.0.1")
    let limit = 4096
    guard
        let notification = try? Notification(
            request, segments: 2, bodyLimit: limit, receivedAt: Timestamp(microseconds: 0))
    else { return }
    require(notification.body.count <= limit, "a body above the limit")
    switch notification.bodyKind {
    case .text: require(isUTF8(notification.body), "text that is not UTF-8")
    case .encodedText(let label): require(notification.text.map(isUTF8) == true, "not text in \(label)")
    case .binary: require(notification.text == nil, "bytes that are text")
    }
    let bytes = notificationsJSON([NumberedNotification(number: 1, notification: notification)])
    guard let json = try? JSON(parsing: bytes), let item = json["notifications"]?.array?.first else {
        fatalError("the answer is not JSON")
    }
    if let base64 = item["bodyBase64"]?.string {
        require(Base64.standard.decode(base64.utf8) == notification.body, "the body's bytes are lost")
    } else {
        require(item["body"]?.string.map { Array($0.utf8) } == notification.text, "the body's text is lost")
    }
}
