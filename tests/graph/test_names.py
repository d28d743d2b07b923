"""Type token, name and parent of everything: the contract of upgrades. A change here needs an alias."""

from hdinfra.testing import Graph

SHAPE = """
hdinfra:index:Bundles bundles < local
hdinfra:index:Cluster a < local
hdinfra:index:Cluster b < local
hdinfra:index:ControlPlane control < local
hdinfra:index:Lab lab < local
hdinfra:index:Place east < local
hdinfra:index:Place west < local
hdinfra:index:ProxyEdge edge < stack
hdinfra:index:SharedInstance web < stack
hdinfra:index:Zone local < stack
hdlocal:index:Bundle bundles-control < bundles
hdlocal:index:Bundle bundles-lab-origin < bundles
hdlocal:index:Bundle bundles-load-balancer < bundles
hdlocal:index:Bundle bundles-waf < bundles
hdlocal:index:Image a-control-image < a
hdlocal:index:Image a-waf-image < a
hdlocal:index:Image b-control-image < b
hdlocal:index:Image b-waf-image < b
hdlocal:index:Image bundles-bundle-store-image < bundles
hdlocal:index:Image east-load-balancer-image < east
hdlocal:index:Image lab-lab-origin-image < lab
hdlocal:index:Image west-load-balancer-image < west
hdlocal:index:Machine a-control-1 < control
hdlocal:index:Machine a-web-1 < web
hdlocal:index:Machine b-control-1 < control
hdlocal:index:Machine b-web-1 < web
hdlocal:index:Machine bundles-store < bundles
hdlocal:index:Machine east-edge < edge
hdlocal:index:Machine lab-acme-shop < lab
hdlocal:index:Machine lab-globex-blog < lab
hdlocal:index:Machine west-edge < edge
hdlocal:index:Network a-network < a
hdlocal:index:Network b-network < b
hdlocal:index:Network wan < local
hdpolicy:index:Authority a-control-1-authority < control
hdpolicy:index:Authority b-control-1-authority < control
hdpolicy:index:Certificates edge-certificates < edge
hdpolicy:index:Keys control-keys < local
hdpolicy:index:Policy control-policy < control
hdpolicy:index:Policy edge-policy < edge
hdpolicy:index:Policy instance-web-policy < web
hdpolicy:index:Policy lab-acme-shop-policy < lab
hdpolicy:index:Policy lab-globex-blog-policy < lab
hdpolicy:index:SiteAuthority edge-authority < edge
pulumi:providers:hdlocal a-provider < a
pulumi:providers:hdlocal b-provider < b
pulumi:providers:hdlocal bundles-provider < bundles
pulumi:providers:hdlocal east-provider < east
pulumi:providers:hdlocal lab-provider < lab
pulumi:providers:hdlocal wan-provider < local
pulumi:providers:hdlocal west-provider < west
pulumi:providers:hdpolicy control-provider < local
"""


def test_names_are_kept(local_zone: Graph) -> None:
    found = "\n".join(f"{type_} {name} < {parent or 'stack'}" for type_, name, parent in local_zone.shape())
    assert found == SHAPE.strip()
