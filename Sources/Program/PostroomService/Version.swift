/// The version of Postroom.
package let postroomVersion = "0.1.0"
