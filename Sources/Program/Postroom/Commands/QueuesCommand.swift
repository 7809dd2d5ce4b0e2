internal import ArgumentParser
internal import HTTP
internal import Linux
internal import Queues
internal import Storage
internal import SystemPackage
internal import Values

struct QueuesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "queues", abstract: "Look after the queues and their configuration file, QUEUE_CONFIG.",
        subcommands: [Init.self, Check.self, Load.self, List.self, Passwd.self])
}

extension QueuesCommand {
    struct Init: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Write a commented example, with a random password that is shown once.",
            discussion: "A file that is there already is left as it is, and the command fails.")

        func run() throws {
            let settings = try Settings.inForce()
            let path = settings.queueFile
            var random = SystemRandomNumberGenerator()
            let password = secret()
            guard let hash = PasswordHash(Array(password.utf8), settings.queuePasswordHash, random: &random) else {
                throw Refusal("there is no memory to hash the password")
            }
            do throws(Errno) {
                try Files.makeDirectory(
                    path.removingLastComponent(), permissions: [.ownerReadWriteExecute, .groupReadExecute])
                try Files.create(path, with: Array(exampleConfiguration(hash: hash, key: secret()).utf8))
            } catch .fileExists {
                throw Refusal("\(path) is there already")
            } catch {
                throw Refusal("cannot write \(path): \(error)")
            }
            print("wrote \(path); the password of user \"admin\", shown this once: \(password)")
        }
    }

    struct Check: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract:
                "Say what is wrong with a configuration file, and what can hardly be meant; exit status 1 for the former."
        )

        @Argument(help: "The file; QUEUE_CONFIG where none is given.") var file: String?

        func run() throws {
            let settings = try Settings.inForce()
            let path = file.map { FilePath($0) } ?? settings.queueFile
            do throws(ConfigurationFailure) {
                let reader = try ConfigurationReader(
                    try QueueFile(path, settings).read().bytes, maximumMessageBytes: settings.maximumMessageBytes)
                for warning in reader.warnings { print("\(path): \(warning) (a warning)") }
                print("\(reader.configuration.queues.count) queues, \(reader.configuration.users.count) users: sound")
            } catch {
                for line in error.lines(path) { print(line) }
                throw ExitCode(1)
            }
        }
    }

    struct Load: AsyncCommand {
        static let configuration = CommandConfiguration(
            abstract: "Put QUEUE_CONFIG in force, as POST /reload does.", discussion: "The service may go on meanwhile."
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
            abstract: "Show the queues in force: what each keeps, and how many clients follow it.")

        func run() async throws {
            let store = try Settings.inForce().readStore()
            let now = store.clock.now().wall
            for (queue, clients) in try await store.queues.allQueues() {
                let age = queue.oldest.map { ", the oldest \(Int(max(0, now.seconds(since: $0)))) s old" } ?? ""
                print(
                    "\(queue.name): \(queue.log.count) messages, \(queue.log.bytes) bytes\(age); last id \(queue.log.current); \(clients) clients"
                )
            }
        }
    }

    struct Passwd: AsyncCommand {
        static let configuration = CommandConfiguration(
            abstract: "Change a user's password in QUEUE_CONFIG, and at once where that user is in force.",
            discussion: "The password is read from standard input, one line. The service may go on meanwhile.")

        @Argument(help: "The user's name.") var user: String

        func run() async throws {
            let settings = try Settings.inForce()
            guard let password = Terminal.readSecret(prompt: "New password for \(user): ") else {
                throw Refusal("no password was given on standard input")
            }
            let store = try settings.openStore()
            let handlers = QueueHandlers(store: store, settings: settings)
            switch try await handlers.setPassword(of: user, to: password) {
            case .changed: break
            case .tooShort: throw Refusal("a password has at least 6 characters")
            case .noMemory, .busy: throw Refusal("there is no memory to hash the password")
            case .failed(let failure):
                store.rollBack()
                throw Refusal("nothing was changed: " + failure.lines(settings.queueFile).joined(separator: "\n"))
            }
            try store.commit()
            try store.settle()
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
    // The queues of this installation, and who may read them. "postroom queues check" says what is wrong with this file;
    // POST /reload, or "postroom queues load", puts it in force. Comments may stand wherever blanks may.
    {
      // Kept for webhook-queue, which reads the same file without its comments; Postroom listens where APP_HOST says.
      "listen_host": "127.0.0.1",
      "listen_port": 8080,

      "users": [
        {
          "name": "admin",
          // TYPE;SALT;HASH. "postroom queues passwd admin" or POST /setPassword writes another one.
          "pass_hash": "\(hash.text)",
          "can_reload": true,
          // The queues that this user may listen to.
          "queues": ["example", "signed"]
        }
      ],

      "queues": [
        // Takes messages from anybody: curl -d hello http://127.0.0.1:8080/q/example
        { "name": "example" },
        {
          // Takes messages whose header X-Signature is the HMAC of their body under the key, in hexadecimal.
          "name": "signed",
          "auth": { "method": "hmac-sha256", "key": "\(key)", "header_name": "X-Signature" },
          // And only from these addresses and networks.
          "whitelist_ip": ["127.0.0.1", "::1", "10.0.0.0/8"],
          // Limits of this queue, instead of those below.
          "max_message_count": 1000
        }
      ],

      // What a queue keeps; the oldest messages make room for new ones.
      "max_message_count": 100,
      // Bytes of one message, and of all messages of a queue.
      "max_message_size": 20000,
      "max_queue_size": 1000000
    }

    """
}
