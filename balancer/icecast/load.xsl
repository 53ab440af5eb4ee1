<?xml version="1.0" encoding="UTF-8"?>
<!-- Tells a balancer how many more listeners each mount takes. Copy it into Icecast's web root,
     on Debian /usr/share/icecast2/web/. A mount without max-listeners says NaN. -->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:output method="xml" media-type="text/xml" encoding="UTF-8"/>
  <xsl:template match="/icestats">
    <load>
      <xsl:for-each select="source[listeners]">
        <mount name="{@mount}"><xsl:value-of select="max_listeners - listeners"/></mount>
      </xsl:for-each>
    </load>
  </xsl:template>
</xsl:stylesheet>
