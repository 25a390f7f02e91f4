"""The venue's back door `/_ctl`: faults, switches, acts."""
