internal import ArgumentParser
internal import CaptureRules
internal import Encodings
internal import Linux
internal import PostroomService
internal import SystemPackage

struct EndpointsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "endpoints", abstract: "Use the endpoints of capture.", subcommands: [Wait.self])
}

extension EndpointsCommand {
    struct Wait: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Wait for the notification that a JSONPath query selects anything of, and print it as JSON.",
            discussion: """
                Asks the service that "postroom serve" runs, as GET /manage/endpoint/{id}/notifications?match= does. The \
                notification stays at the endpoint. One that has arrived before counts too, unless --after excludes it.

                Exit status: 0 if there is one; 1 if there is none when the time is over, or if the service cannot look.
                """)

        @Argument(help: "The id or the name of the endpoint.") var endpoint: String
        @Option(help: "The query (RFC 9535), such as '$[?@.order == 17]'.") var match: String
        @Option(help: "The most seconds to wait.") var timeout = 60.0
        @Option(help: "Only notifications with a higher id count.") var after: UInt64 = 0

        /// The longest wait that the service accepts in one request.
        private static let longestWait = 60.0

        func validate() throws {
            guard (0...1e9).contains(timeout) else {
                throw ValidationError("--timeout must be a number of seconds, 0 or more")
            }
            do throws(InvalidMatch) { _ = try RequestMatch(match) } catch {
                throw ValidationError("--match is not valid. \(error.reason)")
            }
        }

        func run() throws {
            let settings = try Settings.inForce()
            let socket = NginxFiles(settings: settings, templates: "").healthSocket
            let end = SystemClock.bootTimeMicroseconds() + Int64(timeout * 1e6)
            var isRunning = false
            while true {
                let left = max(0, Double(end - SystemClock.bootTimeMicroseconds()) / 1e6)
                let wait = min(left, Self.longestWait)
                switch Self.ask(settings.mountPoint + target(wait), socket, timeoutSeconds: Int(wait) + 30) {
                case .success(let response):
                    isRunning = true
                    if let found = try notification(in: response) { return print(found) }
                case .failure(let refusal):
                    // A service that has answered before may be restarting.
                    guard isRunning, left > 0 else { throw refusal }
                    SystemClock.sleep(microseconds: 200_000)
                }
                guard left > 0 else {
                    throw Refusal("no notification of endpoint \(endpoint) has matched within \(timeout) seconds")
                }
            }
        }

        private static func ask(
            _ target: String, _ socket: FilePath, timeoutSeconds: Int
        ) -> Result<LocalResponse, Refusal> {
            do throws(Errno) {
                let response = try LocalResponse.get(target, at: socket, timeoutSeconds: timeoutSeconds)
                guard (502...504).contains(response.status) else { return .success(response) }
                return .failure(Refusal("the service cannot answer at the moment (\(response.status))"))
            } catch {
                return .failure(
                    Refusal(
                        """
                        no service answers at \(socket): \(error). Start it with "postroom serve" and the same DATA_DIR, or use \
                        curl with the address of your own nginx
                        """))
            }
        }

        private func target(_ wait: Double) -> String {
            func encoded(_ text: String) -> String {
                percentEncoded(text) { byte in
                    switch byte {
                    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                        UInt8(ascii: "a")...UInt8(ascii: "z"):
                        true
                    default: "-._~".utf8.contains(byte)
                    }
                }
            }
            return
                "/manage/endpoint/\(encoded(endpoint))/notifications?after=\(after)&wait=\(wait)&match=\(encoded(match))"
        }

        /// The JSON of the notification in a response; `nil` if there is none.
        private func notification(in response: LocalResponse) throws(Refusal) -> String? {
            guard response.status == 200 else {
                let text = response.text.replacing("The query parameter \"match\"", with: "--match")
                throw Refusal(response.status < 500 ? text : "the service has failed (\(response.status)): \(text)")
            }
            let (start, end) = ("{\"notifications\": [", "]}")
            guard response.text.hasPrefix(start), response.text.hasSuffix(end) else {
                throw Refusal("the service has answered something else than notifications")
            }
            let found = response.text.dropFirst(start.count).dropLast(end.count)
            return found.isEmpty ? nil : String(found)
        }
    }
}
