import DataplaneTestKit
import IPVS
import NetAddress

func ip(_ text: String) -> IPAddress { IPAddress(text) ?? IPAddress(ipv4: 0) }
