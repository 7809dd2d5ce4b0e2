import HTTPTypes

@testable import CaptureRules
@testable import HTTP
@testable import JSON
@testable import Values

/// The settings of an endpoint, and a request: a query, headers in lines, and a body. The settings are refused with places,
/// or stay the same through a store; answers are bounded, and nothing that is sent adds a header to them.
func fuzzReceiverSettings(_ bytes: [UInt8]) {
    let part = parts(bytes, 4)
    guard let json = try? JSON(parsing: Array(part[0])), case .object(let members) = json else { return }
    do throws(SettingFaults) {
        let settings = try ReceiverSettings(changing: ReceiverSettings(), by: members)
        check(settings)
        let request = request(query: part[1], headers: part[2], body: part[3])
        let outcome = settings.outcome(for: request, positions: [0: 1], now: Timestamp(microseconds: 0))
        if let answer = outcome.answer { check(answer) }
        if let verdict = outcome.verdict { check(verdict) }
        if let next = outcome.newSettings { check(next) }
    } catch {
        require(!error.faults.isEmpty && !error.message.isEmpty, "refused without a fault")
    }
}

private func request(
    query: ArraySlice<UInt8>, headers: ArraySlice<UInt8>, body: ArraySlice<UInt8>
) -> ReceivedRequest {
    var fields = FieldList()
    for line in headers.split(separator: 0x0a).prefix(20) {
        let name = line.prefix { $0 != UInt8(ascii: ":") }
        fields.append(name: name, value: line[name.endIndex...].dropFirst())
    }
    let method = query.first == UInt8(ascii: "!") ? "GET" : "POST"
    return ReceivedRequest(
        method: method, url: Array("http://localhost:80/webhook/x?".utf8) + query, path: Array("/pay".utf8),
        query: Array(query), fields: fields, wireBody: Array(body))
}

private func check(_ settings: ReceiverSettings) {
    guard let secrets = SettingSecrets(bytes: settings.secrets.bytes),
        let again = try? ReceiverSettings(json: settings.json, secrets: secrets)
    else { fatalError("stored settings are refused") }
    require(again.json == settings.json && again.secrets == settings.secrets, "settings changed in the store")
}

private func check(_ answer: RuleAnswer) {
    require((200...599).contains(answer.status), "a status of \(answer.status)")
    require(answer.body.count <= RuleLimits.bodyBytes, "a body that is too long")
    require((0...RuleLimits.delayMilliseconds).contains(answer.delayMilliseconds), "a delay that is too long")
    for header in answer.headers {
        require(AnswerHeaders.fault(header.name) == nil, "a reserved header")
        require(header.value.count <= RuleLimits.headerValueBytes, "a header that is too long")
        require(!header.value.contains { ($0 < 0x20 && $0 != 0x09) || $0 == 0x7f }, "a control character in a header")
    }
    // No more than the answer's own headers and three of the service.
    require(answer.response.head.headerFields.count <= answer.headers.count + 3, "an additional header")
}

private func check(_ verdict: Verdict) {
    require(verdict.isValid == (verdict.reason == nil), "a verdict without a reason")
    require(verdict.base.count <= Verdict.baseBytes, "a base that is too long")
    require((try? JSON(parsing: valueJSON { verdict.write(to: &$0) })) != nil, "a verdict that is not JSON")
}
