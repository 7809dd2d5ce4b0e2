import SystemPackage

@testable import PostroomService

/// Any text of a setting is a value, or is refused.
func fuzzSettingText(_ bytes: [UInt8]) {
    let text = String(decoding: bytes, as: UTF8.self)
    if let number = SettingText.integer(text) { require(SettingText.integer("\(number)") == number, "another integer") }
    if let number = SettingText.number(text) { require(SettingText.number("\(number)") == number, "another number") }
    if let number = SettingText.bytes(text) { require(SettingText.bytes("\(number)") == number, "other bytes") }
    let names = Settings.variables.map(\.name)
    let name = names[Int(bytes.first ?? 0) % names.count]
    let value = String(decoding: bytes.dropFirst(), as: UTF8.self)
    if !name.hasPrefix("TLS"), let settings = try? Settings(environment: [name: value]) {
        let files = NginxFiles(settings: settings, templates: "/nowhere")
        let words = ["@MOUNT@", "@LIMITS@", "@SERVERS@", "@SHUTDOWN@", "@REAL_IP@", "@ADDRESS@", "@BODY_BYTES@"]
        _ = files.fill(words.joined(separator: " "), workerUser: nil)
        require(settings.webhookURL.hasSuffix("/webhook/"), "a URL without its path")
    }
}
