# Prints which packages a guest lacks, the sites that apt would fetch them from, and the proxies that it would use.
#   packages: a list of names
: "${packages:?}"
for package in $packages; do
  status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)
  [ "$status" = installed ] || echo "missing $package"
done
# shellcheck disable=SC2016 # apt's own variable
apt-get indextargets --format 'site $(SITE)' 'Created-By: Packages' 2>/dev/null | sort -u
for scheme in http https; do
  apt-config dump "Acquire::$scheme::Proxy" 2>/dev/null | sed -n "s/^Acquire::$scheme::Proxy \"\(http.*\)\";\$/proxy $scheme \1/p"
done
