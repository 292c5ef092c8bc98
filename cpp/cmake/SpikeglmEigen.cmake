# Eigen 3.4: the system's where there is one, else that of the cmeel-eigen wheel, whose files lie
# under cmeel.prefix in a site-packages folder that find_package does not search by itself.
find_package(Eigen3 3.4 CONFIG QUIET)
if(NOT TARGET Eigen3::Eigen)
  # The version is checked below: the wheel's version file accepts only the exact series.
  find_package(Eigen3 CONFIG QUIET PATH_SUFFIXES cmeel.prefix/share/eigen3/cmake)
endif()
if(NOT TARGET Eigen3::Eigen)
  find_package(Python 3.11 COMPONENTS Interpreter QUIET)
  if(Python_Interpreter_FOUND)
    execute_process(
      COMMAND "${Python_EXECUTABLE}" -c "import sysconfig; print(sysconfig.get_path('purelib'))"
      OUTPUT_VARIABLE site_packages OUTPUT_STRIP_TRAILING_WHITESPACE)
    find_package(Eigen3 CONFIG QUIET
                 HINTS "${site_packages}/cmeel.prefix/share/eigen3/cmake")
  endif()
endif()
if(NOT TARGET Eigen3::Eigen OR Eigen3_VERSION VERSION_LESS 3.4)
  message(FATAL_ERROR
    "Eigen 3.4 or newer was not found. Install it (Debian: libeigen3-dev; Python: "
    "`pip install cmeel-eigen`) or set Eigen3_DIR to the folder of Eigen3Config.cmake.")
endif()
get_target_property(SPIKEGLM_EIGEN_INCLUDE Eigen3::Eigen INTERFACE_INCLUDE_DIRECTORIES)

# Headers only and private: as SYSTEM, so that our warnings are about our code, and MPL2_ONLY, so
# that nothing under another licence slips in.
add_library(spikeglm_eigen INTERFACE)
target_include_directories(spikeglm_eigen SYSTEM INTERFACE "${SPIKEGLM_EIGEN_INCLUDE}")
target_compile_definitions(spikeglm_eigen INTERFACE EIGEN_MPL2_ONLY)
