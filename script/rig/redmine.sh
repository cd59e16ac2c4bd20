# Redmine, a large Rails app, from Debian's source package: it is GPL, so it is made here and never committed.
# shellcheck shell=bash

redmine_title() { echo "Redmine from Debian's source package"; }
redmine_duration() { echo "about 15 s"; }
redmine_folder() { echo "$CACHE/redmine/$(key_of "$rig/redmine.sh" "$rig/debian" "$(gems_folder)" "$(server_url)")"; }
redmine_current() { [[ -f $(redmine_folder)/Gemfile.lock ]]; }

# Debian's patch of the Gemfile fits it to the gems that Debian has. What an administrator of Redmine adds by hand: the
# database, the server, and the lockfile.
redmine_make() {
  local folder sources=$CACHE/sources/redmine-trixie
  folder=$(redmine_folder)
  [[ -d $sources ]] || fetch_debian "$sources" <<<"patched trixie redmine"

  rm -rf "$folder.new" && mkdir -p "$folder.new"
  docker run --rm --user 0:0 --env LC_ALL=C.UTF-8 --env "SERVER=$(server_url)" \
    --volume "$sources:/source:ro" \
    --volume "$(ruby_archive "${DEMO_RUBIES[0]}"):/ruby.tar.gz:ro" \
    --volume "$folder.new:/out" \
    "$BUILD_IMAGE" bash -euc '
      mkdir /ruby /debian
      tar -C /ruby --strip-components 1 -xf /ruby.tar.gz
      tar -C /out --strip-components 1 -xf /source/*.orig.tar.*
      tar -C /debian -xf /source/*.debian.tar.*
      cd /out
      patch -p1 </debian/debian/patches/gemfile-deps-adjustment.patch
      rm -f Gemfile.orig
      echo "gem \"puma\"" >Gemfile.local
      cat >config/database.yml <<YAML
production:
  adapter: sqlite3
  database: <%= ENV.fetch("SQLITE_DATABASE", "db/production.sqlite3") %>
YAML
      PATH=/ruby/bin:$PATH BUNDLE_MIRROR__ALL=$SERVER bundle lock
      chown -R --reference=/out /out'
  mv "$folder.new" "$folder"
}
