// NetlinkWire
