internal import CaptureRules
internal import Encodings
internal import HTTP
internal import HTTPTypes
internal import JSON
internal import Values

/// Tells what a sender would be answered.
extension CaptureHandlers {
    /// Answers what the endpoint's settings, with the changes that the client sends, say about a request that the client
    /// describes. Nothing is stored, no confirmation is begun, and no sequence goes on.
    func preview(_ request: Request, _ text: String) async throws(StoreFailure) -> Answer {
        let limit = configurationLimit
        let members: [JSON.Member]
        let previewed: PreviewedRequest
        do throws(BodyRefusal) {
            let body = try Notification.decompressed(request, limit: limit)
            do throws(ConfigurationError) {
                let object = try BodyObject(
                    body, like: "{\"request\": {\"body\": \"text\"}}", known: ReceiverSettings.members + ["request"],
                    inAnyCase: true)
                members = object.members.filter { $0.name.lowercased() != "request" }
                previewed = try PreviewedRequest(object.inAnyCase("request"), endpoint: webhookURL + text)
            } catch {
                return .whole(.text(.badRequest, error.reason))
            }
        } catch {
            return .whole(refusal(error, limit: limit))
        }
        let moment = now()
        guard let id = Endpoint.ID(inURL: text), let endpoint = try await store.endpoint(id, at: moment, limits) else {
            return .whole(unknown(text))
        }
        let stored = endpoint.settings.hasReceiver ? try await store.receiver(of: id, at: moment, limits) : nil
        let changed: ChangedReceiver
        switch try self.changed(members, of: stored) {
        case .success(let result): changed = result
        case .failure(let error): return .whole(.text(.badRequest, error.reason))
        }
        let (bodyLimit, origins) = (bodyLimit, [origin])
        let find: @Sendable () -> Result<ReceiverOutcome, BodyRefusal> = {
            Result { () throws(BodyRefusal) in
                changed.settings.outcome(
                    for: try previewed.received(limit: bodyLimit), positions: changed.positions,
                    now: previewed.receivedAt ?? moment.wall, origins: origins)
            }
        }
        guard let found = previewed.takesLong ? await background.result(of: find) : find() else {
            return .whole(Self.tooManyBodies)
        }
        switch found {
        case .success(let outcome): return .whole(.json(.ok, outcomeJSON(outcome)))
        case .failure(let error): return .whole(refusal(error, limit: bodyLimit))
        }
    }
}

/// `{"answeredBy": …, "status": …, …}`: what a sender is answered, and the verdict on its signature.
private func outcomeJSON(_ outcome: ReceiverOutcome) -> [UInt8] {
    let response = outcome.answer?.response ?? CaptureHandlers.accepted
    return objectJSON { json in
        json.member("answeredBy", orNull: outcome.answerer?.description)
        json.member("status", response.head.status.code)
        json.member("headers", arrayOf: response.head.headerFields) { json, field in
            json.object { json in
                json.member("name", field.name.rawName)
                json.member("value", field.value)
            }
        }
        json.member("body", utf8: response.body)
        if String(validating: response.body, as: UTF8.self) == nil {
            json.member("bodyBase64", Base64.standard.encode(response.body))
        }
        json.member("delay_ms", outcome.answer?.delayMilliseconds ?? 0)
        json.member("refused", outcome.isRejected)
        if let verdict = outcome.verdict {
            json.member("verification", text: valueJSON { json in verdict.write(to: &json) })
        } else {
            json.member("verification", .null)
        }
    }
}
