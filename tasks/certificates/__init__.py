"""Leaves: issue, renew, revoke, and the hypervisor's web certificate.

The way of one leaf, in the order in which it is read: `phoenix.derive.certificates` derives it; `leaf_resource`
compares it with the host by the rules in `phoenix.pki.leaf_decision`; `issue` and `issue_script` make the change, and
`tokens` lets the CA sign it. The host renews it alone with templates/certificates/renew.sh, at the times of
`phoenix.derive.renewal_schedule`.
"""
