internal import HTTP
internal import JSON
internal import Values

/// One answer of a rule, with its placeholders.
struct AnswerTemplate: Sendable {
    var status = 200
    var headers: [Header] = []
    var body: TextTemplate?
    var delayMilliseconds = 0

    struct Header: Sendable {
        let name: String
        let value: TextTemplate
    }

    var usesSecret: Bool { headers.contains { $0.value.usesSecret } || body?.usesSecret == true }

    /// The values of placeholders in a body are escaped if the body is JSON.
    private var bodyContext: TextTemplate.Context {
        let type = headers.first { $0.name.lowercased() == "content-type" }?.value.literal
        return type.map { MediaType(bytes: $0[...]).isJSON } == true ? .json : .plain
    }

    /// - Parameter rule: the rule's name, for the text of an answer that is too long.
    func answer(to request: ReceivedRequest, secret: [UInt8], rule: String) -> RuleAnswer {
        var answer = RuleAnswer(status: status, delayMilliseconds: delayMilliseconds)
        do throws(TextTemplate.TooLong) {
            for header in headers {
                let value = try header.value.expanded(
                    for: request, secret: secret, .header, maximumBytes: RuleLimits.headerValueBytes)
                answer.headers.append(.init(name: header.name, value: Array(value[...].withoutOuterBlanks)))
            }
            answer.body =
                try body?.expanded(
                    for: request, secret: secret, bodyContext, maximumBytes: RuleLimits.bodyBytes) ?? []
            return answer
        } catch {
            return RuleAnswer(
                status: 500,
                body: Array(
                    """
                    The answer of \(rule) is too long: a body may have \(RuleLimits.bodyBytes) bytes, \
                    and a header \(RuleLimits.headerValueBytes).
                    """.utf8), delayMilliseconds: delayMilliseconds)
        }
    }
}

extension AnswerTemplate {
    static let known: Set<String> = ["status", "headers", "body", "delay_ms"]

    /// Statuses whose responses have no body (RFC 9110, sections 15.3.5, 15.3.6 and 15.4.5).
    private static let bodiless = [204, 205, 304]

    init(_ object: SettingObject, _ faults: inout SettingFaults) {
        status = object.wholeNumber("status", in: 200...599, &faults) ?? 200
        delayMilliseconds = object.wholeNumber("delay_ms", in: 0...RuleLimits.delayMilliseconds, &faults) ?? 0
        var seen: Set<String> = []
        for member in object.entries("headers", maximumCount: RuleLimits.headers, &faults) {
            let place = "\(object.place(of: "headers")).\(member.name.shortened(to: 64))"
            if let reason = AnswerHeaders.fault(member.name) {
                faults.add(place, reason)
            } else if !seen.insert(member.name.lowercased()).inserted {
                faults.add(place, "duplicate header; letter case is ignored")
            } else if let value = Self.headerValue(member.value, at: place, &faults) {
                headers.append(Header(name: member.name, value: value))
            }
        }
        guard let text = object.text("body", maximumBytes: RuleLimits.writtenBodyBytes, &faults) else { return }
        if Self.bodiless.contains(status), !text.isEmpty {
            faults.add(object.place(of: "body"), "a response with status \(status) has no body")
        }
        do throws(InvalidPlaceholder) {
            let body = try TextTemplate(text)
            self.body = body
            if !faults.isStored, let reason = body.unknownPlaceholder { faults.add(object.place(of: "body"), reason) }
        } catch {
            faults.add(object.place(of: "body"), error.reason)
        }
    }

    private static func headerValue(
        _ json: JSON, at place: String, _ faults: inout SettingFaults
    ) -> TextTemplate? {
        guard let text = json.string, text.utf8.count <= RuleLimits.headerValueBytes else {
            faults.add(place, "must be a string of at most \(RuleLimits.headerValueBytes) bytes")
            return nil
        }
        do throws(InvalidPlaceholder) {
            let value = try TextTemplate(text)
            if !faults.isStored, let reason = value.unknownPlaceholder { faults.add(place, reason) }
            if text.utf8.contains(where: \.isFieldControl) {
                faults.add(place, "the value must not contain control characters")
            }
            return value
        } catch {
            faults.add(place, error.reason)
            return nil
        }
    }
}
