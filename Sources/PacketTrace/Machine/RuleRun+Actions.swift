internal import NFTables
internal import NetAddress

// Instructions that change the packet, and that decide.

extension RuleRun {
    mutating func setMeta(_ key: MetaKey, _ register: Register) {
        guard key == .mark, let word = register.word else {
            return giveUp("the rule sets something that cannot be followed")
        }
        add(.change, "meta mark set \(operand(word).text)\(share(live.probability))")
        for index in live.indices {
            let number = live[index].registers.withBytes(at: word, count: 4) { $0.loadUnaligned(as: UInt32.self) }
            if let number { live[index].state.mark = number }
        }
    }

    mutating func setPayload(_ base: PayloadBase, _ offset: Int, _ length: Int, _ register: Register) {
        guard base != .link, let word = register.word else {
            return giveUp("the rule writes something that cannot be followed")
        }
        let target = Operand(
            loadedBy: .payload(
                base: base, offset: UInt32(clamping: offset), length: UInt32(clamping: length), register),
            context.family)
        if context.reports {
            let value = commonBytes(register, length).map { target?.value($0) ?? "" } ?? operand(word).text
            add(.change, "\(target?.text ?? "the packet") set \(value)\(share(live.probability))")
        }
        var isUnknown = false
        for index in live.indices {
            let bytes = live[index].registers.bytes(at: word, count: length)
            if bytes == nil { isUnknown = true }
            live[index].state.write(bytes, base, offset, length)
        }
        if isUnknown { notes.append("what \(target?.text ?? "the packet") is set to is not known") }
    }

    mutating func redirect(_ address: Register, _ port: Register?) {
        guard context.kind == .nat, context.point.translatesDestinations, let word = address.word,
            port == nil || port?.word != nil
        else { return giveUp("destinations are not translated here") }
        let length = context.family.addressLength
        let portWord = port?.word
        var targets: Set<String> = []
        var isUnknown = false
        keep { world in
            guard let bytes = world.registers.bytes(at: word, count: length),
                let address = IPAddress(networkBytes: bytes[...])
            else {
                isUnknown = true
                return false
            }
            let toPort = portWord.flatMap { world.registers.bytes(at: $0, count: 2) }
                .map { UInt16($0[0]) << 8 | UInt16($0[1]) }
            world.state.redirect(to: address, toPort)
            if targets.count < 2 {
                targets.insert(toPort.map { SocketAddress(address, $0).text } ?? address.description)
            }
            return true
        }
        if isUnknown { add(.note, "where it is redirected to is not known; taken as no match") }
        guard !live.isEmpty else { return }
        // Of several, the look-up before has told where it may go.
        let only = targets.first.flatMap { targets.count == 1 ? " to \($0)" : nil } ?? ""
        add(.redirect, "redirected\(only)\(share(live.probability))")
        finish(.accept)
    }

    mutating func masquerade() {
        guard context.kind == .nat, context.point == .postrouting else {
            return giveUp("masquerading does nothing here")
        }
        for index in live.indices { live[index].state.masquerade() }
        add(.masquerade, "masqueraded\(share(live.probability))")
        finish(.accept)
    }

    mutating func decide(_ verdict: Verdict) {
        switch verdict {
        case .continue: finish(.nextRule)
        case .return: finish(.returning)
        case .jump(let chain): finish(.jump(chain))
        case .goto(let chain): finish(.goto(chain))
        case .accept: finish(.accept)
        case .drop: finish(.drop)
        case .other: return giveUp("the rule hands the packet to something outside")
        }
        guard context.reports else { return }
        let isTelling = end == .drop || end == .accept
        let text = end == .drop ? "dropped" : end == .accept ? "accepted" : verdict.description
        add(.verdict, text + share(live.probability), isTelling: isTelling)
    }

    mutating func reject(_ type: UInt32, _ code: UInt8) {
        // NFT_REJECT_TCP_RST (linux/netfilter/nf_tables.h); the others answer by ICMP.
        add(.verdict, "refused\(type == 1 ? " with a reset" : "")\(share(live.probability))")
        finish(.refuse)
    }
}

extension PacketState {
    fileprivate mutating func write(_ bytes: [UInt8]?, _ base: PayloadBase, _ offset: Int, _ length: Int) {
        switch (base, bytes) {
        case (.network, let bytes?): network.write(bytes, at: offset)
        case (.network, nil): network.forget(offset..<offset + length)
        case (.transport, let bytes?): transport.write(bytes, at: offset)
        case (.transport, nil): transport.forget(offset..<offset + length)
        case (.link, _): break
        }
    }

    /// Destination NAT. A connection that is sent where it goes anyway does not count as redirected.
    fileprivate mutating func redirect(to address: IPAddress, _ port: UInt16?) {
        guard var connection else { return }
        let toPort = port ?? connection.destinationPort
        let isChanged = connection.replySource != address || connection.replySourcePort != toPort
        connection.replySource = address
        connection.replySourcePort = toPort
        connection.status |= Connection.destinationNATDone | (isChanged ? Connection.destinationNAT : 0)
        self.connection = connection
        if isChanged, let toPort { send(to: SocketAddress(address, toPort)) }
    }

    /// Source NAT to the address of the interface, whichever that has.
    fileprivate mutating func masquerade() {
        connection?.status |= Connection.sourceNATDone | Connection.sourceNAT
        network.forget(sourceOffset..<sourceOffset + family.addressLength)
        transport.forget(0..<2)
    }
}
