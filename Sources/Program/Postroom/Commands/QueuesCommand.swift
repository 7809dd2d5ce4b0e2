internal import ArgumentParser
internal import HTTP
internal import Linux
internal import PostroomService
internal import Queues
internal import Storage
internal import SystemPackage
internal import Values

struct QueuesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "queues", abstract: "Manage the queues and their configuration file, QUEUE_CONFIG.",
        subcommands: [Init.self, Check.self, Load.self, List.self, Passwd.self])
}

extension QueuesCommand {
    struct Init: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Write a commented example of QUEUE_CONFIG, with a random password that is shown once.",
            discussion: "If the file already exists, the command fails and does not change it.")

        func run() throws {
            let settings = try Settings.inForce()
            let path = settings.queueFile
            var random = SystemRandomNumberGenerator()
            let password = secret()
            guard let hash = PasswordHash(Array(password.utf8), settings.queuePasswordHash, random: &random) else {
                throw Refusal("there is not enough memory to hash the password")
            }
            do throws(Errno) {
                try Files.makeDirectory(
                    path.removingLastComponent(), permissions: [.ownerReadWriteExecute, .groupReadExecute])
                try Files.create(path, with: Array(exampleConfiguration(hash: hash, key: secret()).utf8))
            } catch .fileExists {
                throw Refusal("\(path) already exists")
            } catch {
                throw Refusal("cannot write \(path): \(error)")
            }
            print("wrote \(path); password of user \"admin\" (not shown again): \(password)")
        }
    }

    struct Check: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Validate a configuration file, and print its errors and warnings.",
            discussion: "Exit status: 0 if the file is valid, 1 if it has errors or cannot be read.")

        @Argument(help: "The file to validate. (default: QUEUE_CONFIG)") var file: String?

        func run() throws {
            let settings = try Settings.inForce()
            let path = file.map { FilePath($0) } ?? settings.queueFile
            do throws(ConfigurationFailure) {
                let reader = try ConfigurationReader(
                    try QueueFile(path, settings).read().bytes, maximumMessageBytes: settings.maximumMessageBytes)
                for warning in reader.warnings { print("\(path): \(warning) (warning)") }
                print("\(reader.configuration.queues.count) queues, \(reader.configuration.users.count) users: valid")
            } catch {
                for line in error.lines(path) { print(line) }
                throw ExitCode(1)
            }
        }
    }

    struct Load: AsyncCommand {
        static let configuration = CommandConfiguration(
            abstract: "Apply QUEUE_CONFIG, as POST /reload does.", discussion: "The service may keep running."
        )

        func run() async throws {
            let settings = try Settings.inForce()
            if let failure = try await QueueLoading(store: try settings.openStore(), settings: settings).load() {
                throw Refusal("nothing was changed: " + failure.lines(settings.queueFile).joined(separator: "\n"))
            }
        }
    }

    struct List: AsyncCommand {
        static let configuration = CommandConfiguration(
            abstract: "List the queues, with their messages, bytes and clients.",
            discussion: "The service may keep running.")

        func run() async throws {
            let store = try Settings.inForce().readStore()
            let now = store.clock.now().wall
            let queues = try await store.queues.allQueues()
            try store.flush()
            for (queue, clients) in queues {
                let age = queue.oldest.map { ", the oldest \(Int(max(0, now.seconds(since: $0)))) s old" } ?? ""
                print(
                    "\(queue.name): \(queue.log.count) messages, \(queue.log.bytes) bytes\(age); last id \(queue.log.current); \(clients) clients"
                )
            }
        }
    }

    struct Passwd: AsyncCommand {
        static let configuration = CommandConfiguration(
            abstract: "Change a user's password, in QUEUE_CONFIG and in the running service.",
            discussion:
                "The new password is one line of standard input. It must have at least 6 characters. The service may keep running."
        )

        @Argument(help: "The name of the user.") var user: String

        func run() async throws {
            let settings = try Settings.inForce()
            guard let password = Terminal.readSecret(prompt: "New password for \(user): ") else {
                throw Refusal("no password was given on standard input")
            }
            let store = try settings.openStore()
            let handlers = QueueHandlers(store: store, settings: settings)
            switch try await handlers.setPassword(of: user, to: password) {
            case .changed: break
            case .tooShort: throw Refusal("a password must have at least 6 characters")
            case .noMemory, .busy: throw Refusal("there is not enough memory to hash the password")
            case .failed(let failure):
                store.rollBack()
                throw Refusal("nothing was changed: " + failure.lines(settings.queueFile).joined(separator: "\n"))
            }
            try store.commit()
            try store.flush()
        }
    }
}

/// A secret of 100 random bits, in characters that are not easily mistaken for one another.
private func secret() -> String {
    var random = SystemRandomNumberGenerator()
    let letters = Array("abcdefghijkmnpqrstuvwxyz23456789")
    return String((0..<20).map { _ in letters[Int.random(in: 0..<letters.count, using: &random)] })
}

/// The text of the file that `queues init` writes.
func exampleConfiguration(hash: PasswordHash, key: String) -> String {
    """
    // The queues of this installation, and the users who may read them. "postroom queues check" validates this file;
    // "postroom queues load" or POST /reload applies it. Comments are allowed wherever blanks are.
    {
      // Only for webhook-queue, which can read this file without the comments. Postroom listens at APP_HOST, APP_PORT.
      "listen_host": "127.0.0.1",
      "listen_port": 8080,

      "users": [
        {
          "name": "admin",
          // TYPE;SALT;HASH. "postroom queues passwd admin" or POST /setPassword changes it.
          "pass_hash": "\(hash.text)",
          "can_reload": true,
          // The queues that this user may listen to.
          "queues": ["example", "signed"]
        }
      ],

      "queues": [
        // Accepts messages from everyone: curl -d hello http://127.0.0.1:8080/q/example
        { "name": "example" },
        {
          // Accepts messages whose header X-Signature has the HMAC of the body with this key, in hexadecimal.
          "name": "signed",
          "auth": { "method": "hmac-sha256", "key": "\(key)", "header_name": "X-Signature" },
          // Accepts messages only from these addresses and networks.
          "whitelist_ip": ["127.0.0.1", "::1", "10.0.0.0/8"],
          // Limits of this queue, instead of those below.
          "max_message_count": 1000
        }
      ],

      // The most messages of a queue. If there are more, the oldest are dropped.
      "max_message_count": 100,
      // The most bytes of one message, and of all messages of a queue.
      "max_message_size": 20000,
      "max_queue_size": 1000000
    }

    """
}
