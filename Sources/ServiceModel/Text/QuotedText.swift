extension String {
    /// The text in double quotes, cut to a readable length, without anything that could change what a terminal shows.
    var quoted: String {
        let limit = 80
        var result = "\""
        for scalar in unicodeScalars.prefix(limit) {
            switch scalar {
            case "\"", "\\": result += "\\\(scalar)"
            default:
                if scalar.isSafeToPrint {
                    result.unicodeScalars.append(scalar)
                } else {
                    result += "\\u{\(String(scalar.value, radix: 16))}"
                }
            }
        }
        return result + (unicodeScalars.dropFirst(limit).isEmpty ? "\"" : "…\"")
    }
}

extension Unicode.Scalar {
    /// Not a control, format (right-to-left marks among them), separator, private or unassigned character.
    var isSafeToPrint: Bool {
        switch properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned: false
        default: true
        }
    }
}
