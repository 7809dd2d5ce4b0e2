/// The version of Postroom.
let postroomVersion = "0.1.0"
