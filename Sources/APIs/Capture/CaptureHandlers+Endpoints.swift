internal import CaptureRules
internal import HTTP
internal import HTTPTypes
internal import JSON
internal import Values

/// Creates, configures and deletes endpoints, and shows them.
extension CaptureHandlers {
    func create(_ request: Request, _ context: any RequestContext) async throws(StoreFailure) -> Answer {
        let name: EndpointName?
        do throws(ConfigurationError) { name = try self.name(in: request) } catch {
            store.count(.creationRefused)
            return .whole(.text(.badRequest, error.reason))
        }
        let random = Endpoint.ID(random: &random)
        let named = name.map { Endpoint.ID($0) }
        let moment = now()
        let creation = try await store.create(
            { named ?? random.numbered($0) }, name: name?.text, for: request.id, from: request.remoteAddress,
            at: moment,
            limits)
        switch creation {
        case .created(let id):
            store.count(.created)
            try await context.committed()
            var reference = id.description
            if name != nil {
                // A retry gets the name that the first attempt has chosen.
                reference = try await store.endpoint(id, at: moment, limits)?.reference ?? reference
            }
            let body = objectJSON { json in
                json.member("endpointId", reference)
                json.member("fullyQualifiedEndpoint", webhookURL + reference)
            }
            return .whole(.json(.created, body))
        case .taken:
            store.count(.creationRefused)
            return .whole(.text(.conflict, "There is already an endpoint '\(name?.text ?? "")'."))
        case .tooManyOfAddress:
            store.count(.creationRefused)
            let text = "Your address has too many endpoints: the remaining ones are reserved for addresses with fewer."
            return .whole(.text(.insufficientStorage, text))
        case .tooMany:
            store.count(.creationRefused)
            return .whole(
                .text(
                    .insufficientStorage,
                    "There are already \(limits.endpoints) endpoints, the most that this service allows."))
        }
    }

    func configure(
        _ request: Request, _ text: String, _ context: any RequestContext
    ) async throws(StoreFailure) -> Answer {
        let body: [UInt8]
        do throws(BodyRefusal) {
            body = try Notification.decompressed(request, limit: configurationLimit)
        } catch {
            store.count(.configurationRefused)
            return .whole(refusal(error, limit: configurationLimit))
        }
        var configuration: Configuration
        let moment = now()
        do throws(ConfigurationError) { configuration = try Configuration(parsing: body) } catch {
            store.count(.configurationRefused)
            return .whole(.text(.badRequest, error.reason))
        }
        guard let id = Endpoint.ID(inURL: text), let endpoint = try await store.endpoint(id, at: moment, limits) else {
            store.count(.configurationRefused)
            return .whole(unknown(text))
        }
        let fault = configuration.fault(permissions, limits, at: moment, insteadOf: endpoint.settings)
        let forwards = configuration.forwards ?? []
        if let error = if let fault { fault } else { try await self.fault(ofForwards: forwards, at: id, moment) } {
            store.count(.configurationRefused)
            return .whole(.text(.badRequest, error.reason))
        }
        let members = configuration.receiverMembers
        let receiver = members.isEmpty ? nil : try await store.receiverToChange(of: id, at: moment, limits)
        switch try change(members, of: receiver) {
        case .success(let change): configuration.receiver = change
        case .failure(let error):
            store.count(.configurationRefused)
            return .whole(.text(.badRequest, error.reason))
        }
        guard try await store.configure(id, configuration, at: moment, limits) else {
            store.count(.configurationRefused)
            return .whole(unknown(text))
        }
        store.count(.configured)
        return try await context.committed(Response(.noContent))
    }

    /// What is wrong with the URLs of standing forwards. Those that the endpoint has already are not checked again, so that a
    /// PUT can send back what a GET has shown.
    private func fault(
        ofForwards forwards: [String], at id: Endpoint.ID, _ moment: Moment
    ) async throws(StoreFailure) -> ConfigurationError? {
        guard !forwards.isEmpty else { return nil }
        let known = Set(try await store.forwarding(of: id, at: moment, limits)?.urls ?? [])
        guard permissions.allowsForwarding || known.isSuperset(of: forwards) else {
            return ConfigurationError(
                reason: "The member \"forwards\" cannot be set: the operator has not set ENDPOINT_FORWARDING.")
        }
        let fault = ForwardURLs(forwards, member: "forwards").fault(urls, except: known)
        return fault.map { ConfigurationError(reason: "\($0).") }
    }

    func delete(_ text: String, _ context: any RequestContext) async throws(StoreFailure) -> Answer {
        let wasThere: Bool = if let id = Endpoint.ID(inURL: text) { try await store.delete(id) } else { false }
        store.count(wasThere ? .deleted : .deletionRefused)
        return try await context.committed(Response(.noContent))
    }

    func settings(of text: String) async throws(StoreFailure) -> Answer {
        let moment = now()
        guard let id = Endpoint.ID(inURL: text), let endpoint = try await store.endpoint(id, at: moment, limits) else {
            return .whole(unknown(text))
        }
        let stored = endpoint.settings.hasReceiver ? try await store.receiver(of: id, at: moment, limits) : nil
        let receiver = try stored.map { stored throws(StoreFailure) in try settings(stored) }
        let forwards =
            endpoint.settings.hasForwards ? try await store.forwarding(of: id, at: moment, limits)?.urls ?? [] : []
        return .whole(
            .json(
                .ok,
                settingsJSON(
                    endpoint, receiver ?? ReceiverSettings(), forwards: forwards,
                    allowsForwarding: permissions.allowsForwarding, limits, bodyLimit: bodyLimit, at: moment)))
    }

    /// The most bytes of a configuration, and of a request for a preview or for forwards.
    var configurationLimit: Int { min(bodyLimit, 1 << 20) }

    /// The name that a client asks for, if names are allowed.
    private func name(in request: Request) throws(ConfigurationError) -> EndpointName? {
        guard permissions.allowsNames else { return nil }
        guard case .whole(let body) = request.body, body.count <= configurationLimit else {
            throw ConfigurationError(reason: "The body may have no more than \(configurationLimit) bytes.")
        }
        guard let wish = try CreationWish(parsing: body) else { return nil }
        let secret: [UInt8]? = wish.hasSecret ? [UInt8](randomCount: 16, using: &random) : nil
        guard let name = EndpointName(wish.name, secret: secret) else {
            throw ConfigurationError(reason: "The member \"name\" must not look like an id.")
        }
        return name
    }

    func status() async throws(StoreFailure) -> Answer {
        let overview = try await store.overview(newest: statusPageEndpoints)
        return .whole(.text(.ok, statusPage(installation, limits, overview, at: now())))
    }
}
