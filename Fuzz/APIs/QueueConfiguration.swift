@testable import JSON
@testable import Queues

/// A configuration file is accepted, or refused with errors in order and with positions in the text. Replacing a user's
/// hash changes nothing else.
func fuzzQueueConfiguration(_ text: [UInt8]) {
    let lines = 1 + text.count { $0 == 0x0a }
    func check(_ faults: [ConfigurationFault]) {
        require(faults.count <= 100, "too many errors")
        require(faults.allSatisfy { (1...lines).contains($0.line) && $0.column >= 1 }, "an error outside of the text")
        for (fault, next) in zip(faults, faults.dropFirst()) {
            require((fault.line, fault.column) <= (next.line, next.column), "errors out of order")
        }
    }
    do throws(ConfigurationFailure) {
        let reader = try ConfigurationReader(text, maximumMessageBytes: 1_000_000)
        check(reader.warnings)
        for user in reader.configuration.users.prefix(3) { replace(user, in: reader.configuration, text) }
    } catch .faulty(let faults) {
        require(!faults.isEmpty, "refused without an error")
        check(faults)
    } catch {
        require(false, "\(error)")
    }
}

private func replace(_ user: QueueConfiguration.User, in configuration: QueueConfiguration, _ text: [UInt8]) {
    guard let hash = PasswordHash("sha512;salt;\"\\new") else { fatalError("not a hash") }
    do throws(ConfigurationFailure) {
        let changed = try replacingHash(of: user.name, by: hash, in: text)
        let again = try ConfigurationReader(changed, maximumMessageBytes: 1_000_000).configuration
        require(again.queues == configuration.queues, "other queues")
        require(again.users.count == configuration.users.count, "other users")
        for (before, after) in zip(configuration.users, again.users) {
            let isThis = Array(before.name.utf8) == Array(user.name.utf8)
            require(after.hash == (isThis ? hash : before.hash), "another hash")
            require(after.name == before.name && after.queues == before.queues, "another user")
        }
    } catch {
        require(false, "\(error)")
    }
}
