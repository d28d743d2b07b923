"""The provider package `hdmetal`: servers of one's own, installed and watched through their BMC (Redfish)."""
