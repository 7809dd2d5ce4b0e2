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
    require(notification.body == body, "the bytes as sent are lost")
    let decoded = notification.decodedBody
    require(
        decoded.count <= limit
            && decoded.count
                == max(notification.reading.decodedBytes, notification.reading.coding == nil ? body.count : 0),
        "the decompressed body has another length")
    let text = notification.reading.text(decoded)
    switch notification.reading.kind {
    case .text: require(isUTF8(decoded), "text that is not UTF-8")
    case .encodedText(let label): require(text.map(isUTF8) == true, "not text in \(label)")
    case .binary: require(text == nil, "bytes that are text")
    }
    let bytes = notificationsJSON([NumberedNotification(number: 1, notification: notification)])
    guard let json = try? JSON(parsing: bytes), let item = json["notifications"]?.array?.first else {
        fatalError("the answer is not JSON")
    }
    if let base64 = item["bodyBase64"]?.string {
        require(Base64.standard.decode(base64.utf8) == body, "the body's bytes are lost")
    } else {
        require(item["body"]?.string.map { Array($0.utf8) } == body, "the body's text is lost")
    }
    if let text { require(item["body"]?.string.map { Array($0.utf8) } == text, "the body's text is lost") }
}
