internal import CaptureRules
internal import Encodings
internal import HTTP
package import JSON
internal import Values

extension NumberedNotification {
    /// Writes the six members that clients of the original API know, in its order, followed by the newer members.
    package func write(to json: inout JSONWriter) {
        json.object { json in writeMembers(to: &json) }
    }

    func writeMembers(to json: inout JSONWriter) {
        let decoded = notification.decodedBody
        writeBeforeBody(to: &json)
        json.member("body", utf8: notification.reading.text(decoded) ?? decoded)
        writeAfterBody(to: &json)
        if !notification.reading.isVerbatim {
            json.member("bodyBase64", Base64.standard.encode(notification.body))
        }
        if notification.mayBeForm { writeForm(decoded, to: &json) }
    }

    /// Writes the fields or parts of a body that is a form and not too large.
    /// - Parameter body: without its content coding.
    func writeForm(_ body: [UInt8], to json: inout JSONWriter) {
        guard body.count <= ReceivedRequest.formBytes, let form = FormBody(body, notification.fields.mediaType) else {
            return
        }
        json.name("form")
        form.write(to: &json)
    }

    func writeBeforeBody(to json: inout JSONWriter) {
        json.member("method", notification.method)
        json.name("headers")
        write(notification.fields, to: &json)
    }

    func writeAfterBody(to json: inout JSONWriter) {
        json.member("receivedAt", notification.receivedAt.iso8601())
        json.member("remote", orNull: notification.remote)
        json.member("id", number)
        json.member("path", utf8: notification.path)
        json.member("query", orNull: notification.query)
        let url = notification.url
        json.member("url", orNull: url)
        if let url, String(validating: url, as: UTF8.self) == nil {
            json.member("urlBase64", Base64.standard.encode(url))
        }
        if let fault = notification.reading.fault { json.member("bodyFault", fault.name) }
        if let attempts { json.member("attempts", arrayOf: attempts) { json, number in json.integer(number) } }
        guard let outcome = notification.outcome else { return }
        json.member("answeredBy", orNull: outcome.answeredBy)
        json.member("status", outcome.status)
        if let verdict = outcome.verdict { json.member("verification", text: verdict) }
        if let reference = outcome.confirmation { write(reference, to: &json) }
    }

    private func write(_ reference: ConfirmationReference, to json: inout JSONWriter) {
        func write(_ state: Confirmation.State, _ status: Int?, _ error: String?, _ at: Timestamp) {
            json.member("confirmation") { json in
                json.member("state", state.rawValue)
                json.member("status", orNull: status)
                json.member("error", orNull: error)
                json.member("at", at.iso8601())
            }
        }
        switch reference {
        case .to:
            if let confirmation {
                write(confirmation.state, confirmation.status, confirmation.error, confirmation.at)
            } else {
                json.member("confirmation", .null)
            }
        case .refusedURL:
            write(.failed, nil, "SubscribeURL is not a URL at which Amazon SNS confirms", notification.receivedAt)
        case .tooMany: write(.failed, nil, "too many confirmations were pending", notification.receivedAt)
        }
    }

    private func write(_ fields: FieldList, to json: inout JSONWriter) {
        json.array(of: 0..<fields.count) { json, index in
            let value = fields.value(at: index)
            json.object { json in
                json.member("name", utf8: fields.name(at: index))
                json.member("value", utf8: value)
                if String(validating: value, as: UTF8.self) == nil {
                    json.member("valueBase64", Base64.standard.encode(value))
                }
            }
        }
    }
}

extension Notification {
    /// Whether the body is said to be a form, and could be decompressed.
    var mayBeForm: Bool {
        switch reading.fault {
        case .unknownCoding, .corruptData: false
        default: FormBody.isForm(fields.mediaType)
        }
    }
}

extension NumberedRefusal {
    /// Writes the members of a notification, followed by those that only refused requests have.
    func write(to json: inout JSONWriter) {
        let numbered = NumberedNotification(number: number, notification: refused.notification)
        json.object { json in
            numbered.writeMembers(to: &json)
            json.member("refused", refused.reason.name)
            if refused.notification.outcome == nil { json.member("status", refused.reason.status) }
            json.member("bodyBytes", orNull: refused.bodyBytes)
        }
    }
}

/// `{"notifications": [...]}`, of refused requests.
func refusalsJSON(_ refusals: [NumberedRefusal]) -> [UInt8] {
    objectJSON { json in
        json.member("notifications", arrayOf: refusals) { json, refusal in refusal.write(to: &json) }
    }
}

/// `{"notifications": [...]}`.
package func notificationsJSON(_ notifications: [NumberedNotification]) -> [UInt8] {
    var bytes = 64
    for notification in notifications { bytes += notification.notification.body.count + 1280 }
    return objectJSON(reserving: bytes) { json in
        json.member("notifications", arrayOf: notifications) { json, notification in notification.write(to: &json) }
    }
}
